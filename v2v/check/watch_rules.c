// SPDX-License-Identifier: LGPL-2.1-or-later
/* watch_rules: what firmware, boot loaders, kernels and init systems say, and what it means. */
#include "v2v/check/watch_rules.h"

#include <ctype.h>
#include <string.h>

/* A host name and a word before "login:" are short; longer lines are prose. */
#define PROMPT_MAX 120

const struct watch_verdict watch_verdicts[WATCH_N_IDS] = {
	[WATCH_LOGIN_PROMPT] = {"login-prompt", true, "the login prompt appeared", NULL},
	[WATCH_TARGET_REACHED] = {"target-reached", true, "the init system reached its target",
		NULL},
	[WATCH_AGENT_ANSWERED] = {"agent-answered", true, "the guest agent answered", NULL},
	[WATCH_NO_BOOTABLE_DEVICE] = {"no-bootable-device", false,
		"the firmware found nothing to boot from",
		"the boot disk must come first, and the firmware must be the source's (BIOS or "
		"UEFI); a UEFI guest without \\EFI\\BOOT\\BOOTX64.EFI needs a boot entry"},
	[WATCH_LOADER_PROMPT] = {"boot-loader-prompt", false,
		"the boot loader stopped at its command prompt",
		"its configuration was not found: look at the boot partition and at the device "
		"names in grub.cfg"},
	[WATCH_LOADER_RESCUE] = {"boot-loader-rescue", false,
		"the boot loader stopped in its rescue mode",
		"it did not find its own modules: a disk is missing, in another order, or has "
		"another name than when the loader was installed"},
	[WATCH_KERNEL_PANIC] = {"kernel-panic", false, "the kernel panicked",
		"\"Unable to mount root fs\" means that no driver for the disk, no initramfs or "
		"a wrong root= was there"},
	[WATCH_INITRAMFS_SHELL] = {"initramfs-shell", false,
		"the initramfs did not find the root file system and started a shell",
		"the initramfs lacks the driver of the disk's bus, or root= names a device that "
		"is called differently here"},
	[WATCH_EMERGENCY_MODE] = {"emergency-mode", false,
		"the system started in emergency or rescue mode",
		"a file system in fstab was not found or not clean: look for devices by name "
		"instead of UUID, and for disks that were not converted"},
	[WATCH_NO_OUTPUT] = {"no-output", false, "the console went silent",
		"see where it stopped; a guest whose kernel has no serial console "
		"(console=ttyS0) is silent after the boot loader"},
	[WATCH_REBOOT_LOOP] = {"reboot-loop", false, "the machine resets again and again",
		"the serial log shows how far each round got"},
	[WATCH_POWERED_OFF] = {"powered-off", false, "the guest switched the machine off",
		"the serial log shows what ran before"},
	[WATCH_NO_SIGN] = {"no-sign", false,
		"neither a sign of life nor of failure was seen; the guest has no serial console",
		"look at the screen's picture; give the guest a serial console or the guest "
		"agent for a certain verdict"},
	[WATCH_TIMEOUT] = {"timeout", false, "the time was up before the system was",
		"the phases show what took long; emulated machines need a larger --timeout"},
	[WATCH_ENGINE_FAILED] = {"engine-failed", false,
		"the program that runs the machine ended",
		"this says nothing about the guest: see the detail"},
};

const struct watch_phase_rule watch_phase_rules[] = {
	{WATCH_LOADER, "BdsDxe: starting Boot", "Shell"},
	{WATCH_LOADER, "GRUB loading", NULL},
	{WATCH_LOADER, "Welcome to GRUB", NULL},
	{WATCH_LOADER, "GNU GRUB", NULL},
	{WATCH_LOADER, "grub>", NULL},
	{WATCH_LOADER, "grub rescue>", NULL},
	{WATCH_LOADER, "Booting `", NULL},
	{WATCH_LOADER, "Loading Linux", NULL},
	{WATCH_LOADER, "Loading initial ramdisk", NULL},
	{WATCH_LOADER, "SYSLINUX", NULL},
	{WATCH_LOADER, "EXTLINUX", NULL},
	{WATCH_LOADER, "systemd-boot", NULL},
	{WATCH_KERNEL, "Linux version ", NULL},
	{WATCH_KERNEL, "EFI stub: ", NULL},
	{WATCH_KERNEL, "Decompressing Linux", NULL},
	{WATCH_KERNEL, "Booting the kernel", NULL},
	{WATCH_KERNEL, "Kernel panic", NULL},
	{WATCH_KERNEL, "Loading, please wait...", NULL},
	{WATCH_KERNEL, "Begin: ", NULL},
	{WATCH_KERNEL, "(initramfs)", NULL},
	{WATCH_KERNEL, "dracut", NULL},
	{WATCH_KERNEL, "ALERT!", NULL},
	{WATCH_KERNEL, "Gave up waiting for root", NULL},
	{WATCH_KERNEL, "Dropping to a shell!", NULL},
	{WATCH_KERNEL, "Entering emergency mode. Exit", NULL},
	{WATCH_KERNEL, "into an emergency shell", NULL},
	{WATCH_USERSPACE, "systemd[1]: ", "Running in initrd"},
	{WATCH_USERSPACE, "Welcome to ", "GRUB"},
	{WATCH_USERSPACE, "[  OK  ] ", NULL},
	{WATCH_USERSPACE, "[FAILED] ", NULL},
	{WATCH_USERSPACE, "Reached target ", NULL},
	{WATCH_USERSPACE, "INIT: version ", NULL},
	{WATCH_USERSPACE, "OpenRC ", NULL},
	{WATCH_USERSPACE, "You are in emergency mode", NULL},
	{WATCH_USERSPACE, "You are in rescue mode", NULL},
	{WATCH_USERSPACE, "Give root password for", NULL},
	{WATCH_USERSPACE, "Press Enter for maintenance", NULL},
	{0, NULL, NULL},
};

#define BEFORE_KERNEL WATCH_FIRMWARE, WATCH_LOADER
#define FROM_KERNEL   WATCH_KERNEL, WATCH_USERSPACE
#define ANY_PHASE     WATCH_FIRMWARE, WATCH_USERSPACE

#define VERDICT(id, phases, where, ...)                                                        \
	{                                                                                      \
		WATCH_MEANS_VERDICT, WATCH_##id, phases, WATCH_##where, __VA_ARGS__            \
	}
#define CAUSE(phases, where, ...)                                                              \
	{                                                                                      \
		WATCH_MEANS_CAUSE, 0, phases, WATCH_##where, __VA_ARGS__                       \
	}
#define NOTE(...)                                                                              \
	{                                                                                      \
		WATCH_MEANS_NOTE, 0, FROM_KERNEL, WATCH_ANYWHERE, __VA_ARGS__                  \
	}

const struct watch_line_rule watch_line_rules[] = {
	/* up */
	VERDICT(TARGET_REACHED, FROM_KERNEL, ANYWHERE, "Reached target ", "Multi-User System"),
	VERDICT(TARGET_REACHED, FROM_KERNEL, ANYWHERE, "Reached target ", "multi-user.target"),
	VERDICT(TARGET_REACHED, FROM_KERNEL, ANYWHERE, "Reached target ",
		"Graphical Interface"),
	VERDICT(TARGET_REACHED, FROM_KERNEL, ANYWHERE, "Reached target ", "graphical.target"),

	/* firmware: SeaBIOS, OVMF, and what boot sectors without an active partition print */
	VERDICT(NO_BOOTABLE_DEVICE, BEFORE_KERNEL, ANYWHERE, "No bootable device"),
	VERDICT(NO_BOOTABLE_DEVICE, BEFORE_KERNEL, ANYWHERE,
		"No bootable option or device was found"),
	VERDICT(NO_BOOTABLE_DEVICE, BEFORE_KERNEL, ANYWHERE, "UEFI Interactive Shell"),
	VERDICT(NO_BOOTABLE_DEVICE, BEFORE_KERNEL, START, "Shell>"),
	VERDICT(NO_BOOTABLE_DEVICE, BEFORE_KERNEL, ANYWHERE, "Missing operating system"),
	VERDICT(NO_BOOTABLE_DEVICE, BEFORE_KERNEL, ANYWHERE, "Operating system not found"),
	VERDICT(NO_BOOTABLE_DEVICE, BEFORE_KERNEL, ANYWHERE, "Error loading operating system"),
	VERDICT(NO_BOOTABLE_DEVICE, BEFORE_KERNEL, ANYWHERE, "Non-system disk"),

	/* boot loaders */
	VERDICT(LOADER_RESCUE, BEFORE_KERNEL, ANYWHERE, "grub rescue>"),
	VERDICT(LOADER_RESCUE, BEFORE_KERNEL, ANYWHERE, "Entering rescue mode..."),
	VERDICT(LOADER_RESCUE, BEFORE_KERNEL, ANYWHERE, "GRUB", "Geom Error"),
	VERDICT(LOADER_RESCUE, BEFORE_KERNEL, ANYWHERE, "GRUB", "Hard Disk Error"),
	VERDICT(LOADER_RESCUE, BEFORE_KERNEL, ANYWHERE, "GRUB", "Read Error"),
	VERDICT(LOADER_PROMPT, BEFORE_KERNEL, START, "grub>"),
	VERDICT(LOADER_PROMPT, BEFORE_KERNEL, ANYWHERE,
		"Minimal BASH-like line editing is supported"),
	VERDICT(LOADER_PROMPT, BEFORE_KERNEL, ANYWHERE,
		"No DEFAULT or UI configuration directive"),
	VERDICT(LOADER_PROMPT, BEFORE_KERNEL, ANYWHERE, "Failed to load ldlinux"),

	/* kernel */
	VERDICT(KERNEL_PANIC, ANY_PHASE, ANYWHERE, "Kernel panic - not syncing"),
	VERDICT(KERNEL_PANIC, ANY_PHASE, START, "-- System halted"),

	/* initramfs-tools, dracut, mkinitcpio, mkinitfs */
	VERDICT(INITRAMFS_SHELL, FROM_KERNEL, ANYWHERE, "ALERT!", "does not exist"),
	VERDICT(INITRAMFS_SHELL, FROM_KERNEL, ANYWHERE, "Dropping to a shell!"),
	VERDICT(INITRAMFS_SHELL, FROM_KERNEL, START, "(initramfs)"),
	VERDICT(INITRAMFS_SHELL, FROM_KERNEL, ANYWHERE,
		"Entering emergency mode. Exit the shell"),
	VERDICT(INITRAMFS_SHELL, FROM_KERNEL, ANYWHERE, "Starting Dracut Emergency Shell"),
	VERDICT(INITRAMFS_SHELL, FROM_KERNEL, ANYWHERE, "/run/initramfs/rdsosreport.txt"),
	VERDICT(INITRAMFS_SHELL, FROM_KERNEL, START, "dracut:/#"),
	VERDICT(INITRAMFS_SHELL, FROM_KERNEL, ANYWHERE,
		"being dropped into an emergency shell"),
	VERDICT(INITRAMFS_SHELL, FROM_KERNEL, ANYWHERE, "initramfs emergency recovery shell"),

	/* init systems */
	VERDICT(EMERGENCY_MODE, FROM_KERNEL, ANYWHERE, "You are in emergency mode"),
	VERDICT(EMERGENCY_MODE, FROM_KERNEL, ANYWHERE, "You are in rescue mode"),
	VERDICT(EMERGENCY_MODE, FROM_KERNEL, ANYWHERE, "Give root password for"),
	VERDICT(EMERGENCY_MODE, FROM_KERNEL, ANYWHERE, "Press Enter for maintenance"),
	VERDICT(EMERGENCY_MODE, FROM_KERNEL, ANYWHERE,
		"Cannot open access to console, the root account is locked"),

	/* causes */
	CAUSE(BEFORE_KERNEL, ANYWHERE, "Boot failed:"),
	CAUSE(BEFORE_KERNEL, ANYWHERE, "BdsDxe: failed to"),
	CAUSE(BEFORE_KERNEL, START, "error:"),
	CAUSE(FROM_KERNEL, ANYWHERE, "Gave up waiting for root"),
	CAUSE(FROM_KERNEL, ANYWHERE, "VFS: Cannot open root device"),
	CAUSE(FROM_KERNEL, ANYWHERE, "Initramfs unpacking failed"),
	CAUSE(FROM_KERNEL, ANYWHERE, "Failed to execute /init"),
	CAUSE(FROM_KERNEL, ANYWHERE, "Volume group", "not found"),
	CAUSE(FROM_KERNEL, ANYWHERE, "Warning: /dev/", "does not exist"),
	CAUSE(FROM_KERNEL, ANYWHERE, "ERROR: device '", "not found"),
	CAUSE(FROM_KERNEL, ANYWHERE, "UNEXPECTED INCONSISTENCY"),
	CAUSE(FROM_KERNEL, ANYWHERE, "Timed out waiting for device"),
	CAUSE(FROM_KERNEL, ANYWHERE, "Failed to mount "),
	CAUSE(FROM_KERNEL, ANYWHERE, "Dependency failed for "),
	CAUSE(FROM_KERNEL, ANYWHERE, "mounting ", " failed: "),
	CAUSE(FROM_KERNEL, ANYWHERE, "EXT4-fs error"),
	CAUSE(FROM_KERNEL, ANYWHERE, "Corruption of in-memory data"),

	/* notes */
	NOTE("[FAILED] "),
	NOTE("Oops: "),
	NOTE("BUG: "),
	NOTE("I/O error"),
	NOTE("Out of memory: "),
	NOTE("segfault at "),
	NOTE("WARNING: CPU: "),
	{0, 0, 0, 0, 0, NULL, NULL},
};

bool watch_is_kernel_line(const char *line)
{
	const char *p = line;
	unsigned digits = 0;

	if (*p++ != '[')
		return false;
	while (*p == ' ')
		p++;
	while (isdigit((unsigned char)*p))
		p++;
	if (p == line + 1 || *p++ != '.')
		return false;
	for (; isdigit((unsigned char)*p); p++)
		digits++;
	return digits == 6 && *p == ']';
}

bool watch_is_login_prompt(const char *line)
{
	const char *p = strstr(line, "login:");

	if (!p || p - line > PROMPT_MAX || watch_is_kernel_line(line))
		return false;
	if (p > line && p[-1] != ' ')
		return false;
	/* "Last login: Tue ..." is what comes after it; alone it is no prompt either. */
	if (p - line >= 5 && !strncmp(p - 5, "Last ", 5))
		return false;
	p += strlen("login:");
	while (*p == ' ')
		p++;
	return !*p || watch_is_kernel_line(p);
}
