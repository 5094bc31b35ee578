// SPDX-License-Identifier: LGPL-2.1-or-later
/* kvm_probe: runs a tiny 64-bit guest in a child process and looks at the clock. */
#include "hv/kvm/kvm_probe.h"

#include "formats/base/bytes.h"
#include "formats/base/io.h"

#include <errno.h>
#include <stdarg.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* How long one attempt may take by the wall clock. */
#define ATTEMPT_MS    290
#define SLICE_MS      20
/* Attempts when the child got (nearly) no processor time: a busy machine is not a slow KVM. */
#define ATTEMPTS      3
/* Processor time the child must have had for a timeout to be KVM's fault. */
#define FAIR_SECONDS  0.1
/*
 * Processor time the guest's run may take. With hardware it is below a millisecond; in a machine
 * whose processor is itself emulated (a test laboratory) some 20 ms; kernels' instruction
 * emulators take half a second and more.
 */
#define LIMIT_SECONDS 0.12
/* Processor time after which there is nothing left to wait for: the limit and the preparation. */
#define SPENT_SECONDS 0.2

#define PAGE        4096u
#define MEMORY_SIZE (6 * PAGE)
#define PML4        (1 * PAGE)
#define PDPT        (2 * PAGE)
#define PAGE_DIR    (3 * PAGE)
#define CODE        (4 * PAGE)
#define STACK_TOP   (6 * PAGE)
#define PORT        0x77
#define MULTIPLIER  1664525u
#define INCREMENT   1013904223u

#define BYTES32(v) (v) & 0xff, (v) >> 8 & 0xff, (v) >> 16 & 0xff, (v) >> 24

enum step {
	STEP_DONE,
	STEP_OPEN,
	STEP_VM,
	STEP_MEMORY,
	STEP_VCPU,
	STEP_RUN,
	STEP_EXIT,
	STEP_WRONG
};

/* What the child says through its pipe. */
struct answer {
	enum step step;
	int error;      /* errno of the failed step */
	uint32_t exit;  /* KVM_EXIT_* of the unexpected end */
	double seconds; /* processor time of the run */
};

/*
 * The guest, at CODE, in 64-bit mode with interrupts off:
 *
 *	fninit ; mulps xmm0, xmm0        every 64-bit system uses both units; emulators lack them
 *	mov  ecx, LOOPS ; xor eax, eax
 * 1:	imul eax, eax, MULTIPLIER ; add eax, INCREMENT ; dec ecx ; jnz 1b
 *	mov  r8d, eax
 *	xor  eax, eax ; cpuid            a trap that every kernel takes
 *	mov  rax, cr3 ; mov cr3, rax     its own page tables, loaded once more
 *	push r8 ; pop rax                a stack access in 64-bit mode
 *	out  PORT, eax
 *	hlt
 */
/* clang-format off */
static const uint8_t guest_code[] = {
	0xdb, 0xe3, 0x0f, 0x59, 0xc0,
	0xb9, BYTES32(KVM_PROBE_LOOPS),
	0x31, 0xc0,
	0x69, 0xc0, BYTES32(MULTIPLIER),
	0x05, BYTES32(INCREMENT),
	0xff, 0xc9,
	0x75, 0xf1,
	0x41, 0x89, 0xc0,
	0x31, 0xc0, 0x0f, 0xa2,
	0x0f, 0x20, 0xd8, 0x0f, 0x22, 0xd8,
	0x41, 0x50, 0x58,
	0xe7, PORT,
	0xf4,
};
/* clang-format on */

/* What the guest's loop must arrive at. */
static uint32_t expected(void)
{
	uint32_t v = 0;

	for (unsigned i = 0; i < KVM_PROBE_LOOPS; i++)
		v = v * MULTIPLIER + INCREMENT;
	return v;
}

static double cpu_seconds(clockid_t clock)
{
	struct timespec ts;

	if (clock_gettime(clock, &ts) < 0)
		return 0;
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void fill_memory(uint8_t *mem)
{
	/* One 2 MiB page, identity mapped: present, writable, page size. */
	le64_store(mem + PML4, PDPT | 3);
	le64_store(mem + PDPT, PAGE_DIR | 3);
	le64_store(mem + PAGE_DIR, 0x83);
	memcpy(mem + CODE, guest_code, sizeof(guest_code));
}

static int enter_long_mode(int vcpu)
{
	struct kvm_regs regs = {.rip = CODE, .rsp = STACK_TOP, .rflags = 2};
	struct kvm_segment code = {.limit = 0xffffffff,
		.selector = 8,
		.type = 11,
		.present = 1,
		.s = 1,
		.l = 1,
		.g = 1};
	struct kvm_segment data = {.limit = 0xffffffff,
		.selector = 16,
		.type = 3,
		.present = 1,
		.s = 1,
		.db = 1,
		.g = 1};
	struct kvm_sregs sregs;

	if (ioctl(vcpu, KVM_GET_SREGS, &sregs) < 0)
		return -errno;
	sregs.cs = code;
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = data;
	sregs.cr3 = PML4;
	sregs.cr4 = 1 << 5 | 1 << 9;       /* PAE, OSFXSR */
	sregs.cr0 = 1u << 31 | 1 << 5 | 3; /* PG, NE, MP, PE */
	sregs.efer = 1 << 8 | 1 << 10;     /* LME, LMA */
	if (ioctl(vcpu, KVM_SET_SREGS, &sregs) < 0 || ioctl(vcpu, KVM_SET_REGS, &regs) < 0)
		return -errno;
	return 0;
}

/* A KVM shows the guest no 64-bit mode until it is told what CPUID says. */
static int copy_cpuid(int kvm, int vcpu)
{
	union {
		struct kvm_cpuid2 head;
		uint8_t room[sizeof(struct kvm_cpuid2) + 256 * sizeof(struct kvm_cpuid_entry2)];
	} cpuid = {.head = {.nent = 256}};

	if (ioctl(kvm, KVM_GET_SUPPORTED_CPUID, &cpuid) < 0 ||
		ioctl(vcpu, KVM_SET_CPUID2, &cpuid) < 0)
		return -errno;
	return 0;
}

static void run(int vcpu, struct kvm_run *run, struct answer *a)
{
	double start = cpu_seconds(CLOCK_PROCESS_CPUTIME_ID);
	int r;

	do
		r = ioctl(vcpu, KVM_RUN, 0);
	while (r < 0 && (errno == EINTR || errno == EAGAIN));
	a->error = r < 0 ? errno : 0;
	a->seconds = cpu_seconds(CLOCK_PROCESS_CPUTIME_ID) - start;
	a->exit = run->exit_reason;
	if (r < 0)
		a->step = STEP_RUN;
	else if (run->exit_reason != KVM_EXIT_IO || run->io.port != PORT || run->io.size != 4)
		a->step = STEP_EXIT;
	else if (le32_load((uint8_t *)run + run->io.data_offset) != expected())
		a->step = STEP_WRONG;
	else
		a->step = STEP_DONE;
}

/* In the child: only system calls from here on, other threads may have held locks. */
static struct answer probe_in_child(void)
{
	struct answer a = {.step = STEP_OPEN};
	struct kvm_userspace_memory_region region = {.memory_size = MEMORY_SIZE};
	int kvm, vm, vcpu, size;
	void *mem, *shared;

	kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (kvm < 0)
		goto failed;
	a.step = STEP_VM;
	vm = ioctl(kvm, KVM_CREATE_VM, 0);
	size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (vm < 0 || size < (int)sizeof(struct kvm_run))
		goto failed;
	a.step = STEP_MEMORY;
	mem = mmap(
		NULL, MEMORY_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mem == MAP_FAILED)
		goto failed;
	fill_memory(mem);
	region.userspace_addr = (uintptr_t)mem;
	if (ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region) < 0)
		goto failed;
	a.step = STEP_VCPU;
	vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	if (vcpu < 0 || copy_cpuid(kvm, vcpu) < 0 || enter_long_mode(vcpu) < 0)
		goto failed;
	shared = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	if (shared == MAP_FAILED)
		goto failed;
	run(vcpu, shared, &a);
	return a;
failed:
	a.error = errno;
	return a;
}

static int say(struct kvm_probe *ret, enum kvm_verdict verdict, const char *fmt, ...)
	_printf_(3, 4);

static int say(struct kvm_probe *ret, enum kvm_verdict verdict, const char *fmt, ...)
{
	va_list ap;

	ret->verdict = verdict;
	va_start(ap, fmt);
	vsnprintf(ret->why, sizeof(ret->why), fmt, ap);
	va_end(ap);
	return verdict == KVM_USABLE ? 0 : -ENOTSUP;
}

static int judge(struct kvm_probe *ret, const struct answer *a)
{
	switch (a->step) {
	case STEP_OPEN:
		if (a->error == ENOENT || a->error == ENODEV || a->error == ENXIO)
			return say(ret, KVM_ABSENT, "there is no /dev/kvm on this machine");
		if (a->error == EACCES || a->error == EPERM)
			return say(ret, KVM_NO_PERMISSION,
				"/dev/kvm is not accessible to this user (group kvm is missing?)");
		return say(
			ret, KVM_BROKEN, "/dev/kvm cannot be opened: %s", strerror(a->error));
	case STEP_VM:
	case STEP_MEMORY:
	case STEP_VCPU:
		return say(ret, KVM_BROKEN, "KVM cannot create a machine with 64-bit code: %s",
			strerror(a->error));
	case STEP_RUN:
		return say(ret, KVM_BROKEN, "KVM cannot run 64-bit guest code: %s",
			strerror(a->error));
	case STEP_EXIT:
		if (a->exit == KVM_EXIT_INTERNAL_ERROR)
			return say(ret, KVM_BROKEN,
				"KVM runs 64-bit guest code through an instruction emulator, which "
				"gave up");
		return say(ret, KVM_BROKEN,
			"KVM cannot run 64-bit guest code: it ended with exit reason %u",
			a->exit);
	case STEP_WRONG:
		return say(ret, KVM_BROKEN, "KVM computed a wrong result in 64-bit guest code");
	case STEP_DONE:
		break;
	}
	ret->guest_seconds = a->seconds;
	if (a->seconds > LIMIT_SECONDS)
		return say(ret, KVM_TOO_SLOW,
			"KVM took %.0f ms for %u guest instructions (%.0f ms are allowed)",
			a->seconds * 1e3, 4 * KVM_PROBE_LOOPS, LIMIT_SECONDS * 1e3);
	return say(ret, KVM_USABLE, "KVM ran %u guest instructions in %.2f ms",
		4 * KVM_PROBE_LOOPS, a->seconds * 1e3);
}

/* The processor time a child has had so far. */
static double child_seconds(pid_t pid)
{
	clockid_t clock;

	return clock_getcpuclockid(pid, &clock) ? 0 : cpu_seconds(clock);
}

/* 1 with *a filled, 0 when the time was up (*spent = the child's processor time), or -errno. */
static int attempt(struct answer *a, double *spent)
{
	int fds[2], r;
	struct pollfd p;
	double end = io_now() + ATTEMPT_MS / 1e3;
	pid_t parent = getpid(), pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid < 0) {
		r = -errno;
		close(fds[0]);
		close(fds[1]);
		return r;
	}
	if (!pid) {
		struct answer mine;

		if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
			_exit(1);
		mine = probe_in_child();
		_exit(write(fds[1], &mine, sizeof(mine)) != sizeof(mine));
	}
	close(fds[1]);
	p = (struct pollfd){.fd = fds[0], .events = POLLIN};
	do {
		r = poll(&p, 1, SLICE_MS);
		*spent = child_seconds(pid);
	} while ((!r || (r < 0 && errno == EINTR)) && io_now() < end && *spent < SPENT_SECONDS);
	if (r > 0)
		r = read(fds[0], a, sizeof(*a)) == sizeof(*a) ? 1 : -EIO;
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	close(fds[0]);
	return r;
}

const char *kvm_verdict_name(enum kvm_verdict v)
{
	static const char *const names[] = {
		[KVM_USABLE] = "usable",
		[KVM_ABSENT] = "absent",
		[KVM_NO_PERMISSION] = "no permission",
		[KVM_TOO_SLOW] = "too slow",
		[KVM_BROKEN] = "broken",
	};

	return v < ARRAY_SIZE(names) ? names[v] : "unknown";
}

int kvm_probe(struct kvm_probe *ret)
{
	struct answer a = {0};
	double spent = 0;
	int r = 0;

	*ret = (struct kvm_probe){.verdict = KVM_BROKEN};
	for (unsigned i = 0; i < ATTEMPTS; i++) {
		r = attempt(&a, &spent);
		if (r || spent > FAIR_SECONDS)
			break;
	}
	if (r > 0)
		return judge(ret, &a);
	if (r < 0)
		return say(ret, KVM_BROKEN, "the measurement of KVM failed: %s", strerror(-r));
	return say(ret, KVM_TOO_SLOW,
		"KVM did not finish %u guest instructions in %.0f ms of processor time",
		4 * KVM_PROBE_LOOPS, spent * 1e3);
}
