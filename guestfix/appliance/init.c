// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * init: the first process of the libguestfs appliance, in place of supermin's.
 *
 * The appliance's own start runs udev, LVM, MD and more, whatever the disks hold; under emulation
 * that is more than half of its start. This one does what a few plain partitions need: modules,
 * file systems, the daemon. When a disk carries a layer that wants assembling (LVM, MD, Windows'
 * dynamic disks), it hands over to the appliance's own /init, which does all of it.
 *
 *	initramfs:  load modules, find the root file system by its UUID, enter it
 *	root:       mount the usual, then guestfsd; or exec /init
 *
 * Statically linked; runs as process 1 inside the appliance, never on the host. What it meets is
 * the appliance, which is trusted; of the guest's disks it compares signatures only.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Modules of supermin's list that neither disks nor channel need here. */
static const char *const unneeded[] = {
	"ata_piix",
	"crypto_engine",
	"failover",
	"fuse",
	"libata",
	"libnvdimm",
	"nd_btt",
	"nd_pmem",
	"nd_virtio",
	"net_failover",
	"nfit",
	"virtio_balloon",
	"virtio_crypto",
	"virtio_input",
	"virtio_mem",
	"virtio_mmio",
	"virtio_net",
	"virtio_pmem",
	"virtiofs",
};

/* Longest wait for the disks to appear, in steps of 10 ms. */
#define DISK_STEPS 1000

static void fail(const char *what)
{
	fprintf(stderr, "wherry appliance: %s: %m\n", what);
	sync();
	reboot(RB_AUTOBOOT); /* QEMU runs with -no-reboot: it ends, and libguestfs notices */
	_exit(1);
}

static bool is_unneeded(const char *file)
{
	size_t n = strcspn(file, ".");

	for (size_t i = 0; i < sizeof(unneeded) / sizeof(*unneeded); i++)
		if (strlen(unneeded[i]) == n && !strncmp(file, unneeded[i], n))
			return true;
	return false;
}

/* A module that does not fit this machine fails, which is as it should be. */
static void load_module(const char *file)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	syscall(SYS_finit_module, fd, "", 0);
	close(fd);
}

static void load_modules(void)
{
	FILE *list = fopen("/modules", "re");
	char line[256];

	if (!list)
		fail("/modules");
	while (fgets(line, sizeof(line), list)) {
		line[strcspn(line, "\n")] = 0;
		if (*line && !is_unneeded(line))
			load_module(line);
	}
	fclose(list);
}

static void mount_or_fail(const char *type, const char *dir)
{
	mkdir(dir, 0755);
	if (mount(type, dir, type, 0, NULL))
		fail(dir);
}

/* "root=UUID=..." of the kernel command line as 16 bytes. */
static void wanted_root(uint8_t uuid[16])
{
	char line[4096] = {0}, *p;
	int fd = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, line, sizeof(line) - 1) < 0)
		fail("/proc/cmdline");
	close(fd);
	p = strstr(line, "root=UUID=");
	if (!p)
		fail("no root=UUID= on the kernel command line");
	p += strlen("root=UUID=");
	for (int i = 0; i < 16; i++) {
		unsigned byte;

		if (*p == '-')
			p++;
		if (sscanf(p, "%2x", &byte) != 1)
			fail("root=UUID=");
		uuid[i] = (uint8_t)byte;
		p += 2;
	}
}

static bool read_at(int fd, void *buf, size_t len, off_t off)
{
	return pread(fd, buf, len, off) == (ssize_t)len;
}

/* Is this block device an ext2/3/4 file system with that UUID? */
static bool is_root(const char *device, const uint8_t uuid[16])
{
	uint8_t super[136];
	int fd = open(device, O_RDONLY | O_CLOEXEC);
	bool yes;

	if (fd < 0)
		return false;
	yes = read_at(fd, super, sizeof(super), 1024) && super[56] == 0x53 &&
	      super[57] == 0xef && !memcmp(super + 104, uuid, 16);
	close(fd);
	return yes;
}

/* Calls what() for every block device until one answers true; its path is then in `path`. */
static bool find_device(
	char path[64], bool (*what)(const char *, const void *), const void *arg)
{
	DIR *dir = opendir("/sys/class/block");
	struct dirent *e;
	bool found = false;

	if (!dir)
		fail("/sys/class/block");
	while (!found && (e = readdir(dir)))
		if (e->d_name[0] != '.' && strlen(e->d_name) < 50) {
			snprintf(path, 64, "/dev/%s", e->d_name);
			found = what(path, arg);
		}
	closedir(dir);
	return found;
}

static bool root_matches(const char *device, const void *uuid)
{
	return is_root(device, uuid);
}

static void mount_root(void)
{
	uint8_t uuid[16];
	char device[64];
	int step = 0;

	wanted_root(uuid);
	while (!find_device(device, root_matches, uuid)) {
		if (++step > DISK_STEPS)
			fail("the appliance's root file system did not appear");
		usleep(10000);
	}
	mkdir("/root", 0755);
	if (mount(device, "/root", "ext2", MS_NOATIME, NULL) &&
		mount(device, "/root", "ext4", MS_NOATIME, NULL))
		fail(device);
}

/* Does the device carry something that must be assembled before its file systems show? */
static bool is_layer(const char *device, const void *arg)
{
	static const struct {
		off_t off; /* negative: from the device's end */
		const char *magic;
		size_t len;
	} signatures[] = {
		{0, "LABELONE", 8}, {512, "LABELONE", 8}, {1024, "LABELONE", 8},
		{1536, "LABELONE", 8}, /* LVM2 */
		{0, "\xfc\x4e\x2b\xa9", 4}, {4096, "\xfc\x4e\x2b\xa9", 4},
		{-8192, "\xfc\x4e\x2b\xa9", 4}, {-65536, "\xfc\x4e\x2b\xa9", 4}, /* MD */
		{3072, "PRIVHEAD", 8}, {-512, "PRIVHEAD", 8},                    /* LDM */
	};
	int fd = open(device, O_RDONLY | O_CLOEXEC);
	bool yes = false;
	off_t size;

	if (fd < 0)
		return false;
	size = lseek(fd, 0, SEEK_END);
	for (size_t i = 0; !yes && i < sizeof(signatures) / sizeof(*signatures); i++) {
		off_t off = signatures[i].off;
		char buf[8];

		/* MD's superblocks at the end lie on 4 KiB (1.0) or 64 KiB (0.90) boundaries. */
		if (off < 0)
			off = ((size / -off) - 1) * -off;
		if (off < 0)
			continue;
		yes = read_at(fd, buf, signatures[i].len, off) &&
		      !memcmp(buf, signatures[i].magic, signatures[i].len);
	}
	close(fd);
	return yes;
}

static void enter_root(void)
{
	static const char *const mounts[] = {"/proc", "/sys", "/dev"};
	char to[32];

	for (size_t i = 0; i < sizeof(mounts) / sizeof(*mounts); i++) {
		snprintf(to, sizeof(to), "/root%s", mounts[i]);
		if (mount(mounts[i], to, NULL, MS_MOVE, NULL))
			fail(to);
	}
	if (chdir("/root") || chroot("."))
		fail("/root");
}

/* A link that may be there already. */
static void link_to(const char *target, const char *path)
{
	if (symlink(target, path) && errno != EEXIST)
		fail(path);
}

/* What the appliance's own script would have set up, as far as the daemon and its tools need it. */
static void prepare(void)
{
	mkdir("/sysroot", 0755);
	mkdir("/dev/pts", 0755);
	mount("devpts", "/dev/pts", "devpts", 0, NULL);
	mkdir("/dev/shm", 01777);
	mount("shmfs", "/dev/shm", "tmpfs", 0, "mode=1777");
	mount("tmpfs", "/run", "tmpfs", MS_NOSUID, "size=20%,mode=0755");
	mkdir("/run/lock", 01777);
	link_to("/proc/self/fd", "/dev/fd");
	link_to("/proc/mounts", "/etc/mtab");
	mkdir("/tmp", 01777);
	mkdir("/tmp/lvm", 0755);
	close(open("/tmp/lvm/lvm.conf", O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
	setenv("LVM_SYSTEM_DIR", "/tmp/lvm", 1);
	setenv("PATH", "/sbin:/usr/sbin:/bin:/usr/bin", 1);
}

/* The channel's port has a name in sysfs; udev would make a link of it. */
static void find_channel(char path[64])
{
	DIR *dir = opendir("/sys/class/virtio-ports");
	struct dirent *e;

	while (dir && (e = readdir(dir))) {
		char file[300], name[64] = {0};
		int fd;

		snprintf(file, sizeof(file), "/sys/class/virtio-ports/%s/name", e->d_name);
		fd = open(file, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		if (read(fd, name, sizeof(name) - 1) > 0 &&
			!strncmp(name, "org.libguestfs.channel.0", 24) &&
			strlen(e->d_name) < 50)
			snprintf(path, 64, "/dev/%s", e->d_name);
		close(fd);
	}
	if (dir)
		closedir(dir);
}

/*
 * libguestfs numbers its drives by the sorted names in /dev/disk/by-path, which udev would make.
 * Ours sort by channel, target and unit, the order in which libguestfs attached the disks.
 */
static bool link_by_path(const char *device, const void *arg)
{
	char link[300], real[4096], path[128];
	unsigned host, channel, target, unit;
	ssize_t n;

	snprintf(link, sizeof(link), "/sys/class/block/%s/device", device + strlen("/dev/"));
	n = readlink(link, real, sizeof(real) - 1);
	if (n < 0)
		return false; /* a partition: has no device of its own */
	real[n] = 0;
	if (!strrchr(real, '/') || sscanf(strrchr(real, '/'), "/%u:%u:%u:%u", &host, &channel,
					   &target, &unit) != 4)
		return false;
	snprintf(path, sizeof(path), "/dev/disk/by-path/scsi-%u:%u:%u:%u", host, channel,
		target, unit);
	link_to(device, path);
	return false; /* go on with the next */
}

/* Runs the daemon until libguestfs goes away; reaps whatever its tools leave behind. */
static void serve(const char *channel)
{
	pid_t daemon = fork(), pid;

	if (daemon < 0)
		fail("fork");
	if (!daemon) {
		execlp("guestfsd", "guestfsd", "--channel", channel, NULL);
		_exit(127);
	}
	do
		pid = wait(NULL);
	while (pid != daemon && pid > 0);
	sync();
	reboot(RB_AUTOBOOT); /* QEMU runs with -no-reboot */
}

int main(void)
{
	char device[64], channel[64] = "";
	int step = 0;

	mount_or_fail("proc", "/proc");
	mount_or_fail("sysfs", "/sys");
	mount_or_fail("devtmpfs", "/dev");
	load_modules();
	mount_root();
	enter_root();
	if (find_device(device, is_layer, NULL)) {
		execl("/init", "/init", NULL);
		fail("/init");
	}
	prepare();
	mkdir("/dev/mapper", 0755);
	mkdir("/dev/disk", 0755);
	mkdir("/dev/disk/by-path", 0755);
	find_device(device, link_by_path, NULL);
	while (find_channel(channel), !*channel) {
		if (++step > DISK_STEPS)
			fail("the channel to libguestfs did not appear");
		usleep(10000);
	}
	serve(channel);
}
