// SPDX-License-Identifier: LGPL-2.1-or-later
/* watch: texts that booting machines print, and the verdicts they must lead to. */
#include "tests/unit/test.h"

#include "formats/base/alloc.h"
#include "v2v/check/watch.h"

static const struct watch_opts defaults = {.timeout = 300, .silence = 60};

/* Feeds `text` in pieces of `piece` bytes, then lets a second pass. */
static struct watch *fed(const struct watch_opts *o, const char *text, size_t piece)
{
	struct watch *w = watch_new(o, 100);
	size_t len = strlen(text);

	for (size_t i = 0; i < len; i += piece)
		watch_serial(w, text + i, len - i < piece ? len - i : piece, 101);
	watch_tick(w, 101.1);
	watch_tick(w, 102);
	return w;
}

static void expect(const char *text, enum watch_id id, const char *detail, const char *cause)
{
	static const size_t pieces[] = {1, 2, 7, 4096};

	for (size_t i = 0; i < ARRAY_SIZE(pieces); i++) {
		_auto_(watch) struct watch *w = fed(&defaults, text, pieces[i]);

		if (!watch_verdict(w))
			fail_msg("no verdict in pieces of %zu for: %s", pieces[i], text);
		assert_string_equal(watch_verdict(w)->name, watch_verdicts[id].name);
		if (!strstr(watch_detail(w), detail))
			fail_msg("detail \"%s\" does not say \"%s\"", watch_detail(w), detail);
		assert_string_equal(watch_cause(w), cause);
	}
}

static void expect_none(const char *text)
{
	_auto_(watch) struct watch *w = fed(&defaults, text, 5);

	if (watch_verdict(w))
		fail_msg("verdict %s (%s) for: %s", watch_verdict(w)->name, watch_detail(w),
			text);
}

#define SEABIOS                                                                                \
	"\033c\033[?7l\033[2J\033[0mSeaBIOS (version 1.16.2-debian-1.16.2-1)\r\n"              \
	"Booting from Hard Disk...\r\n"
#define GRUB "GRUB loading.\r\nWelcome to GRUB!\r\n\r\n"
#define LINUX                                                                                  \
	"Loading Linux 6.1.0-18-amd64 ...\r\nLoading initial ramdisk ...\r\n"                  \
	"[    0.000000] Linux version 6.1.0-18-amd64 (debian-kernel@lists.debian.org)\r\n"     \
	"[    0.712345] virtio_blk virtio1: [vda] 6291456 512-byte logical blocks\r\n"
#define INITRAMFS "Loading, please wait...\r\nStarting systemd-udevd version 252.22\r\n"

static void a_login_prompt_passes(void **state)
{
	expect(SEABIOS GRUB LINUX INITRAMFS
		"\r\nDebian GNU/Linux 12 web01 ttyS0\r\n\r\nweb01 login: ",
		WATCH_LOGIN_PROMPT, "web01 login:", "");
}

static void a_bare_login_prompt_passes(void **state)
{
	expect("login:", WATCH_LOGIN_PROMPT, "login:", "");
}

static void a_kernel_message_behind_the_prompt_does_not_hide_it(void **state)
{
	expect("web01 login: [   31.456789] random: crng init done\r\n", WATCH_LOGIN_PROMPT,
		"web01 login:", "");
}

static void other_texts_with_login_are_no_prompt(void **state)
{
	expect_none("Last login: Tue Nov  3 10:00:00 UTC 2026 on ttyS0\r\n");
	expect_none("[    4.123456] audit: failed login:\r\n");
	expect_none("systemd-logind[310]: New seat seat0. nologin: absent\r\n");
	expect_none("[  OK  ] Reached target getty.target - Login Prompts.\r\n");
}

static void systemds_targets_pass(void **state)
{
	expect(SEABIOS LINUX "[\033[0;32m  OK  \033[0m] Reached target "
			     "\033[0;1;39mmulti-user.target\033[0m - Multi-User System.\r\n",
		WATCH_TARGET_REACHED, "multi-user.target", "");
	expect(LINUX "[  OK  ] Reached target Graphical Interface.\r\n", WATCH_TARGET_REACHED,
		"Graphical Interface", "");
}

/* systemd says it when no job is left, in emergency mode as well, and before its shell speaks. */
static void startup_finished_alone_does_not_pass(void **state)
{
	expect(LINUX
		"systemd[1]: Startup finished in 1.8s (kernel) + 9.0s (userspace) = 10.9s.\n"
		"You are in emergency mode. After logging in, type \"journalctl -xb\"\n",
		WATCH_EMERGENCY_MODE, "emergency mode", "");
}

static void earlier_targets_do_not_pass(void **state)
{
	expect_none(LINUX "[  OK  ] Reached target basic.target - Basic System.\r\n");
	expect_none(
		LINUX "[  OK  ] Reached target sysinit.target - System Initialization.\r\n");
}

static void an_empty_disk_is_named(void **state)
{
	expect(SEABIOS "Boot failed: not a bootable disk\r\n\r\nNo bootable device.\r\n",
		WATCH_NO_BOOTABLE_DEVICE, "No bootable device",
		"Boot failed: not a bootable disk");
}

static void ovmf_without_a_boot_option_is_named(void **state)
{
	expect("BdsDxe: failed to load Boot0001 \"UEFI Misc Device\" from PciRoot(0x0)/Pci(0x2,0x0)"
	       ": Not Found\r\nBdsDxe: No bootable option or device was found.\r\n"
	       "BdsDxe: Press any key to enter the Boot Manager Menu.\r\n",
		WATCH_NO_BOOTABLE_DEVICE, "No bootable option",
		"BdsDxe: failed to load Boot0001 \"UEFI Misc Device\" from "
		"PciRoot(0x0)/Pci(0x2,0x0): Not Found");
	expect("UEFI Interactive Shell v2.2\r\nEDK II\r\nShell> ", WATCH_NO_BOOTABLE_DEVICE,
		"UEFI Interactive Shell", "");
}

static void the_firmwares_own_shell_is_no_boot_loader(void **state)
{
	_auto_(watch) struct watch *w = fed(&defaults,
		"BdsDxe: starting Boot0002 \"EFI Internal Shell\" from Fv(7CB8BDC9)\r\n", 9);

	assert_int_equal(watch_phase(w), WATCH_FIRMWARE);
}

static void boot_sectors_without_a_system_are_named(void **state)
{
	expect(SEABIOS "Missing operating system", WATCH_NO_BOOTABLE_DEVICE, "Missing", "");
	expect(SEABIOS "Operating system not found\r\n", WATCH_NO_BOOTABLE_DEVICE, "not found",
		"");
}

static void grubs_rescue_mode_is_named_with_its_error(void **state)
{
	expect(SEABIOS "GRUB loading.\r\nWelcome to GRUB!\r\n\r\n"
		       "error: no such device: 5f2c9b4e-0d0a-4a57-8d0c-2b6a4b1f6c11.\r\n"
		       "Entering rescue mode...\r\ngrub rescue> ",
		WATCH_LOADER_RESCUE, "rescue",
		"error: no such device: 5f2c9b4e-0d0a-4a57-8d0c-2b6a4b1f6c11.");
	expect("grub rescue>", WATCH_LOADER_RESCUE, "grub rescue>", "");
	expect("GRUB Geom Error", WATCH_LOADER_RESCUE, "Geom", "");
}

static void grubs_prompt_is_named(void **state)
{
	expect(GRUB
		"                             GNU GRUB  version 2.06-13+deb12u1\r\n\r\n"
		"   Minimal BASH-like line editing is supported. For the first word, TAB\r\n"
		"   lists possible command completions.\r\n\r\n\r\ngrub> ",
		WATCH_LOADER_PROMPT, "Minimal BASH-like", "");
	expect("\033[2J\033[1;1Hgrub> \033[5;7H", WATCH_LOADER_PROMPT, "grub>", "");
}

static void a_menu_is_no_verdict(void **state)
{
	expect_none(GRUB "\033[1;30HGNU GRUB  version 2.06\033[4;3H*Debian GNU/Linux\033[5;3H"
			 " Advanced options for Debian GNU/Linux\r\n"
			 "   The highlighted entry will be executed automatically in 5s.");
}

static void a_panic_is_named_with_its_line_and_cause(void **state)
{
	expect(LINUX
		"[    2.345678] VFS: Cannot open root device \"sda1\" or unknown-block(0,0): error -6\r\n"
		"[    2.345700] Please append a correct \"root=\" boot option\r\n"
		"[    2.345900] Kernel panic - not syncing: VFS: Unable to mount root fs on "
		"unknown-block(0,0)\r\n"
		"[    2.346000] CPU: 0 PID: 1 Comm: swapper/0 Not tainted 6.1.0-18-amd64\r\n"
		"[    2.356000] ---[ end Kernel panic - not syncing: VFS ]---\r\n",
		WATCH_KERNEL_PANIC, "VFS: Unable to mount root fs on unknown-block(0,0)",
		"[    2.345678] VFS: Cannot open root device \"sda1\" or unknown-block(0,0): error "
		"-6");
	expect("Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000009\n",
		WATCH_KERNEL_PANIC, "Attempted to kill init", "");
	expect("\n\nXZ-compressed data is corrupt\n\n -- System halted", WATCH_KERNEL_PANIC,
		"System halted", "");
}

static void initramfs_tools_shell_is_named_with_the_missing_disk(void **state)
{
	expect(SEABIOS GRUB LINUX INITRAMFS
		"Begin: Waiting for root file system ... Begin: Running /scripts/local-block ... done."
		"\r\ndone.\r\n"
		"Gave up waiting for root file system device.  Common problems:\r\n"
		" - Boot args (cat /proc/cmdline)\r\n"
		"ALERT!  UUID=0f3d7b1c-77c8-4b5c-bb5c-6b64a1d9d3ab does not exist.  Dropping to a shell!"
		"\r\n\r\nBusyBox v1.35.0 (Debian 1:1.35.0-4+b3) built-in shell (ash)\r\n"
		"\r\n(initramfs) ",
		WATCH_INITRAMFS_SHELL,
		"UUID=0f3d7b1c-77c8-4b5c-bb5c-6b64a1d9d3ab does not exist",
		"Gave up waiting for root file system device.  Common problems:");
}

static void a_quiet_kernel_with_an_initramfs_shell_is_named(void **state)
{
	expect("Loading initial ramdisk ...\r\n/dev/sda1 does not exist\r\n\r\n(initramfs) ",
		WATCH_INITRAMFS_SHELL, "(initramfs)", "");
}

static void dracuts_shell_is_named_with_the_missing_disk(void **state)
{
	expect(LINUX
		"[  125.123456] dracut-initqueue[321]: Warning: dracut-initqueue: timeout, still waiting\r\n"
		"[  188.123456] dracut-initqueue[321]: Warning: /dev/mapper/rhel-root does not exist\r\n"
		"         Starting Dracut Emergency Shell...\r\n"
		"Warning: /dev/mapper/rhel-root does not exist\r\n\r\n"
		"Generating \"/run/initramfs/rdsosreport.txt\"\r\n\r\n"
		"Entering emergency mode. Exit the shell to continue.\r\n",
		WATCH_INITRAMFS_SHELL, "Dracut Emergency Shell",
		"[  188.123456] dracut-initqueue[321]: Warning: /dev/mapper/rhel-root does not exist");
}

static void emergency_mode_is_named_with_what_was_missing(void **state)
{
	expect(LINUX
		"Welcome to Debian GNU/Linux 12 (bookworm)!\r\n"
		"[ TIME ] Timed out waiting for device /dev/sdb1.\r\n"
		"[DEPEND] Dependency failed for /data.\r\n"
		"[DEPEND] Dependency failed for local-fs.target - Local File Systems.\r\n"
		"You are in emergency mode. After logging in, type \"journalctl -xb\" to view\r\n"
		"system logs, \"systemctl reboot\" to reboot.\r\n"
		"Give root password for maintenance\r\n(or press Control-D to continue): ",
		WATCH_EMERGENCY_MODE, "You are in emergency mode",
		"[ TIME ] Timed out waiting for device /dev/sdb1.");
	expect("Press Enter for maintenance\n(or press Control-D to continue): ",
		WATCH_EMERGENCY_MODE, "Press Enter", "");
}

static void texts_count_only_in_their_phase(void **state)
{
	/* A running system may print what a boot loader would. */
	expect_none(LINUX "[   12.000000] grub> is a prompt; No bootable device is a text\r\n");
	expect_none(LINUX "grub> \r\nShell>\r\n");
	/* And firmware cannot be in emergency mode of an init system. */
	expect_none(SEABIOS "Cannot open access to console, the root account is locked\r\n");
}

static void the_first_verdict_stays(void **state)
{
	expect(LINUX "Kernel panic - not syncing: Fatal exception\r\nweb01 login: \r\n",
		WATCH_KERNEL_PANIC, "Fatal exception", "");
	expect("web01 login: \r\nKernel panic - not syncing: Fatal exception\r\n",
		WATCH_LOGIN_PROMPT, "login:", "");
}

static void silence_is_named_with_the_place(void **state)
{
	_auto_(watch) struct watch *w = watch_new(&defaults, 10);
	const char *text = SEABIOS GRUB "Loading initial ramdisk ...\r\n";

	watch_serial(w, text, strlen(text), 15);
	watch_tick(w, 74.9);
	assert_null(watch_verdict(w));
	watch_tick(w, 75);
	assert_string_equal(watch_verdict(w)->name, "no-output");
	assert_non_null(strstr(watch_detail(w), "nothing for 60 s"));
	assert_non_null(strstr(watch_detail(w), "boot loader"));
	assert_non_null(strstr(watch_detail(w), "Loading initial ramdisk ..."));
}

static void a_machine_that_never_speaks_is_silent_too(void **state)
{
	_auto_(watch) struct watch *w = watch_new(&defaults, 0);

	watch_tick(w, 61);
	assert_string_equal(watch_verdict(w)->name, "no-output");
	assert_non_null(strstr(watch_detail(w), "nothing was ever printed"));
}

static void without_a_console_silence_is_no_failure_but_no_sign(void **state)
{
	struct watch_opts o = {.timeout = 300, .silence = 60, .no_console = true};
	_auto_(watch) struct watch *w = watch_new(&o, 0);

	watch_serial(w, SEABIOS, strlen(SEABIOS), 1);
	watch_tick(w, 299);
	assert_null(watch_verdict(w));
	watch_tick(w, 300);
	assert_string_equal(watch_verdict(w)->name, "no-sign");
	assert_false(watch_verdict(w)->pass);
}

static void without_a_console_the_agent_passes(void **state)
{
	struct watch_opts o = {.timeout = 300, .silence = 60, .no_console = true};
	_auto_(watch) struct watch *w = watch_new(&o, 0);

	watch_event(w, WATCH_EVENT_AGENT, "guest-ping", 80);
	assert_string_equal(watch_verdict(w)->name, "agent-answered");
	assert_true(watch_verdict(w)->pass);
}

static void a_chatty_machine_runs_into_the_timeout(void **state)
{
	_auto_(watch) struct watch *w = watch_new(&defaults, 0);

	for (double now = 1; now < 300; now++) {
		watch_serial(w, "[  100.000000] usb 1-1: reset\r\n", 31, now);
		watch_tick(w, now);
		assert_null(watch_verdict(w));
	}
	watch_tick(w, 300);
	assert_string_equal(watch_verdict(w)->name, "timeout");
}

static void three_resets_are_a_loop(void **state)
{
	_auto_(watch) struct watch *w = watch_new(&defaults, 0);

	for (unsigned i = 0; i < 2; i++) {
		watch_serial(w, SEABIOS LINUX, strlen(SEABIOS LINUX), 5 * i + 1);
		watch_event(w, WATCH_EVENT_RESET, NULL, 5 * i + 4);
		assert_null(watch_verdict(w));
	}
	watch_serial(w, SEABIOS LINUX, strlen(SEABIOS LINUX), 12);
	watch_event(w, WATCH_EVENT_RESET, NULL, 14);
	assert_string_equal(watch_verdict(w)->name, "reboot-loop");
	assert_non_null(strstr(watch_detail(w), "3 resets in 14 s"));
	assert_non_null(strstr(watch_detail(w), "kernel"));
	assert_int_equal(watch_resets(w), 3);
}

static void one_reset_starts_the_phases_again(void **state)
{
	_auto_(watch) struct watch *w = watch_new(&defaults, 0);

	watch_serial(w, SEABIOS LINUX, strlen(SEABIOS LINUX), 5);
	assert_int_equal(watch_phase(w), WATCH_KERNEL);
	watch_event(w, WATCH_EVENT_RESET, NULL, 6);
	assert_int_equal(watch_phase(w), WATCH_FIRMWARE);
	assert_true(watch_phase_seconds(w, WATCH_KERNEL) < 0);
	/* What only counts before the kernel counts again. */
	watch_serial(w, "grub rescue> ", 13, 8);
	watch_tick(w, 9);
	assert_string_equal(watch_verdict(w)->name, "boot-loader-rescue");
}

static void phases_have_their_times(void **state)
{
	_auto_(watch) struct watch *w = watch_new(&defaults, 100);

	assert_true(watch_phase_seconds(w, WATCH_FIRMWARE) < 0);
	watch_serial(w, SEABIOS, strlen(SEABIOS), 101);
	watch_serial(w, GRUB, strlen(GRUB), 103);
	watch_serial(w, LINUX, strlen(LINUX), 107);
	watch_serial(w, "systemd[1]: systemd 252 running in system mode\r\n", 48, 112);
	assert_int_equal((int)watch_phase_seconds(w, WATCH_FIRMWARE), 1);
	assert_int_equal((int)watch_phase_seconds(w, WATCH_LOADER), 3);
	assert_int_equal((int)watch_phase_seconds(w, WATCH_KERNEL), 7);
	assert_int_equal((int)watch_phase_seconds(w, WATCH_USERSPACE), 12);
	assert_int_equal(watch_phase(w), WATCH_USERSPACE);
}

static void a_power_off_is_named_unless_the_console_says_why(void **state)
{
	_auto_(watch) struct watch *a = watch_new(&defaults, 0);
	_auto_(watch) struct watch *b = watch_new(&defaults, 0);

	watch_event(a, WATCH_EVENT_POWEROFF, "guest-shutdown", 5);
	assert_null(watch_verdict(a));
	assert_string_equal(watch_detail(a), "");
	watch_tick(a, 6.1);
	assert_string_equal(watch_verdict(a)->name, "powered-off");
	assert_string_equal(watch_detail(a), "guest-shutdown");

	watch_event(b, WATCH_EVENT_POWEROFF, "guest-shutdown", 5);
	watch_serial(b, "Kernel panic - not syncing: hung_task\n", 38, 5.2);
	assert_string_equal(watch_verdict(b)->name, "kernel-panic");
}

static void the_panic_device_alone_names_a_panic(void **state)
{
	_auto_(watch) struct watch *w = watch_new(&defaults, 0);

	watch_event(w, WATCH_EVENT_PANIC, NULL, 5);
	watch_tick(w, 7);
	assert_string_equal(watch_verdict(w)->name, "kernel-panic");
}

static void a_dead_engine_is_not_the_guests_fault(void **state)
{
	_auto_(watch) struct watch *w = watch_new(&defaults, 0);

	watch_event(w, WATCH_EVENT_ENGINE, "killed by signal 9", 5);
	assert_string_equal(watch_verdict(w)->name, "engine-failed");
	assert_string_equal(watch_detail(w), "killed by signal 9");
}

static void failed_services_are_noted_once_and_boundedly(void **state)
{
	_auto_(watch) struct watch *w = watch_new(&defaults, 0);

	watch_serial(w, LINUX, strlen(LINUX), 1);
	for (unsigned i = 0; i < 1000; i++) {
		char line[100];
		int n = snprintf(line, sizeof(line),
			"[\033[0;1;31mFAILED\033[0m] Failed to start unit %u.\r\n", i / 2);

		watch_serial(w, line, (size_t)n, 2);
	}
	assert_string_equal(watch_notes(w)[0], "[FAILED] Failed to start unit 0.");
	assert_string_equal(watch_notes(w)[1], "[FAILED] Failed to start unit 1.");
	assert_null(watch_notes(w)[WATCH_NOTES]);
	assert_null(watch_verdict(w));
}

static void escape_sequences_do_not_hide_texts(void **state)
{
	expect("\033[1;31mKernel\033[0m panic\033[?25l - not\033]0;title\007 syncing: x\r\n",
		WATCH_KERNEL_PANIC, "Kernel panic - not syncing: x", "");
	expect("\033[24;1Hweb01\033[Clogin: \033[K", WATCH_LOGIN_PROMPT, "web01 login:", "");
	expect("wrX\b\beb01 login: ", WATCH_LOGIN_PROMPT, "web01 login:", "");
}

static void broken_escape_sequences_do_not_swallow_the_rest(void **state)
{
	char text[400] = "\033[";

	memset(text + 2, '1', 200);
	strcpy(text + 202, "\nweb01 login: ");
	expect(text, WATCH_LOGIN_PROMPT, "web01 login:", "");
	expect("\033]0;never ended\nweb01 login: ", WATCH_LOGIN_PROMPT, "login:", "");
	expect("\033(\033\033[\033\r\nweb01 login: ", WATCH_LOGIN_PROMPT, "login:", "");
}

static void a_text_in_an_endless_line_is_found_across_the_cut(void **state)
{
	for (size_t before = WATCH_LINE_MAX - 60; before < WATCH_LINE_MAX + 60; before += 7) {
		char text[2 * WATCH_LINE_MAX] = LINUX;

		memset(text + strlen(LINUX), 'x', before);
		strcpy(text + strlen(LINUX) + before, "Kernel panic - not syncing: y\n");
		expect(text, WATCH_KERNEL_PANIC, "Kernel panic", "");
	}
}

static void a_flood_without_an_end_of_line_costs_no_memory_and_little_time(void **state)
{
	_auto_(watch) struct watch *w = watch_new(&defaults, 0);
	char chunk[65536];

	memset(chunk, 'A', sizeof(chunk));
	for (unsigned i = 0; i < 16 * 32; i++) /* 32 MiB */
		watch_serial(w, chunk, sizeof(chunk), 1);
	memset(chunk, '\n', sizeof(chunk));
	watch_serial(w, chunk, sizeof(chunk), 1);
	memset(chunk, 0xff, sizeof(chunk));
	watch_serial(w, chunk, sizeof(chunk), 1);
	watch_tick(w, 2);
	assert_null(watch_verdict(w));
	assert_int_equal(watch_phase(w), WATCH_FIRMWARE);
}

static void details_are_printable(void **state)
{
	_auto_(watch) struct watch *w = fed(
		&defaults, "Kernel panic - not syncing: \001\033[31m\302\233evil\177\r\n", 3);

	assert_string_equal(watch_detail(w), "Kernel panic - not syncing: ??evil");
}

static void every_verdict_is_complete(void **state)
{
	for (unsigned i = 0; i < WATCH_N_IDS; i++) {
		assert_non_null(watch_verdicts[i].name);
		assert_non_null(watch_verdicts[i].sentence);
		assert_int_equal(watch_verdicts[i].pass, i <= WATCH_AGENT_ANSWERED);
		assert_int_equal(watch_verdicts[i].advice != NULL, !watch_verdicts[i].pass);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_login_prompt_passes),
		cmocka_unit_test(a_bare_login_prompt_passes),
		cmocka_unit_test(a_kernel_message_behind_the_prompt_does_not_hide_it),
		cmocka_unit_test(other_texts_with_login_are_no_prompt),
		cmocka_unit_test(systemds_targets_pass),
		cmocka_unit_test(startup_finished_alone_does_not_pass),
		cmocka_unit_test(earlier_targets_do_not_pass),
		cmocka_unit_test(an_empty_disk_is_named),
		cmocka_unit_test(ovmf_without_a_boot_option_is_named),
		cmocka_unit_test(the_firmwares_own_shell_is_no_boot_loader),
		cmocka_unit_test(boot_sectors_without_a_system_are_named),
		cmocka_unit_test(grubs_rescue_mode_is_named_with_its_error),
		cmocka_unit_test(grubs_prompt_is_named),
		cmocka_unit_test(a_menu_is_no_verdict),
		cmocka_unit_test(a_panic_is_named_with_its_line_and_cause),
		cmocka_unit_test(initramfs_tools_shell_is_named_with_the_missing_disk),
		cmocka_unit_test(a_quiet_kernel_with_an_initramfs_shell_is_named),
		cmocka_unit_test(dracuts_shell_is_named_with_the_missing_disk),
		cmocka_unit_test(emergency_mode_is_named_with_what_was_missing),
		cmocka_unit_test(texts_count_only_in_their_phase),
		cmocka_unit_test(the_first_verdict_stays),
		cmocka_unit_test(silence_is_named_with_the_place),
		cmocka_unit_test(a_machine_that_never_speaks_is_silent_too),
		cmocka_unit_test(without_a_console_silence_is_no_failure_but_no_sign),
		cmocka_unit_test(without_a_console_the_agent_passes),
		cmocka_unit_test(a_chatty_machine_runs_into_the_timeout),
		cmocka_unit_test(three_resets_are_a_loop),
		cmocka_unit_test(one_reset_starts_the_phases_again),
		cmocka_unit_test(phases_have_their_times),
		cmocka_unit_test(a_power_off_is_named_unless_the_console_says_why),
		cmocka_unit_test(the_panic_device_alone_names_a_panic),
		cmocka_unit_test(a_dead_engine_is_not_the_guests_fault),
		cmocka_unit_test(failed_services_are_noted_once_and_boundedly),
		cmocka_unit_test(escape_sequences_do_not_hide_texts),
		cmocka_unit_test(broken_escape_sequences_do_not_swallow_the_rest),
		cmocka_unit_test(a_text_in_an_endless_line_is_found_across_the_cut),
		cmocka_unit_test(
			a_flood_without_an_end_of_line_costs_no_memory_and_little_time),
		cmocka_unit_test(details_are_printable),
		cmocka_unit_test(every_verdict_is_complete),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
