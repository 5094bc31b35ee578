// SPDX-License-Identifier: LGPL-2.1-or-later
/* kvm_probe: the verdict hangs together, comes in time, and leaves nothing behind. */
#include "tests/unit/test.h"

#include "hv/kvm/kvm_probe.h"

#include "formats/base/io.h"

#include <grp.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void the_verdict_fits_the_return_value_and_the_device(void **state)
{
	struct kvm_probe p;
	int r = kvm_probe(&p);

	assert_int_equal(r, p.verdict == KVM_USABLE ? 0 : -ENOTSUP);
	assert_true(p.why[0]);
	if (access("/dev/kvm", F_OK) < 0)
		assert_int_equal(p.verdict, KVM_ABSENT);
	else
		assert_int_not_equal(p.verdict, KVM_ABSENT);
	if (p.verdict == KVM_USABLE)
		assert_true(p.guest_seconds > 0 && p.guest_seconds < 0.2);
}

static void the_answer_comes_within_a_second(void **state)
{
	struct kvm_probe p;
	double start = io_now();

	kvm_probe(&p);
	assert_true(io_now() - start < 1.2);
}

static void no_child_process_is_left(void **state)
{
	struct kvm_probe p;

	kvm_probe(&p);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

static void no_descriptor_is_left(void **state)
{
	struct kvm_probe p;
	int before = dup(0), after;

	kvm_probe(&p);
	close(before);
	after = dup(0);
	close(after);
	assert_int_equal(before, after);
}

/* A user who may not open the device must hear that, not that there is none. */
static void a_closed_device_is_told_from_a_missing_one(void **state)
{
	struct kvm_probe p = {0};
	struct stat st;
	int fds[2];
	pid_t pid;

	if (stat("/dev/kvm", &st) < 0 || (st.st_mode & 0006) || geteuid() != 0)
		skip();
	assert_int_equal(pipe(fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		if (setgroups(0, NULL) || setgid(65534) || setuid(65534))
			_exit(1);
		kvm_probe(&p);
		_exit(write(fds[1], &p, sizeof(p)) != sizeof(p));
	}
	close(fds[1]);
	assert_int_equal(read(fds[0], &p, sizeof(p)), sizeof(p));
	close(fds[0]);
	waitpid(pid, NULL, 0);
	assert_int_equal(p.verdict, KVM_NO_PERMISSION);
}

static void every_verdict_has_a_name(void **state)
{
	assert_string_equal(kvm_verdict_name(KVM_USABLE), "usable");
	assert_string_equal(kvm_verdict_name(KVM_TOO_SLOW), "too slow");
	assert_string_equal(kvm_verdict_name((enum kvm_verdict)99), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_verdict_fits_the_return_value_and_the_device),
		cmocka_unit_test(the_answer_comes_within_a_second),
		cmocka_unit_test(no_child_process_is_left),
		cmocka_unit_test(no_descriptor_is_left),
		cmocka_unit_test(a_closed_device_is_told_from_a_missing_one),
		cmocka_unit_test(every_verdict_has_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
