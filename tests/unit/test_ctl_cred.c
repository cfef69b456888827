/* SPDX-License-Identifier: BSD-3-Clause */
/* test_ctl_cred.c - who may have the ports below 1024. */
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/capability.h>

#include "slowpath/ctl_cred.h"
#include "tests/unit/ctl_rig.h"

typedef bool become(void);

static bool root(void) { return true; }

static bool nobody(void) { return setgid(65534) == 0 && setuid(65534) == 0; }

/* As a service manager does it that gives away nothing but this. */
static bool nobody_with_the_capability(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct only[2] = { { .effective = 1u << CAP_NET_BIND_SERVICE,
		.permitted = 1u << CAP_NET_BIND_SERVICE } };

	return prctl(PR_SET_KEEPCAPS, 1) == 0 && nobody() && syscall(SYS_capset, &head, only) == 0;
}

static bool root_without_it(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { { 0 } };

	return syscall(SYS_capset, &head, none) == 0;
}

static bool nobody_who_is_root_in_a_namespace(void) { return nobody() && unshare(CLONE_NEWUSER) == 0; }

/* A process that became so, and sleeps; -1 if it may not. */
static pid_t process(become *how)
{
	int ready[2];
	char good = 0;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		good = how();
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (write(ready[1], &good, 1) == 1)
			client_sleeps_for_ever();
		_exit(1);
	}
	assert_int_equal(read(ready[0], &good, 1), 1);
	close(ready[0]);
	close(ready[1]);
	if (good)
		return pid;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return -1;
}

static void low_ports_are_for_who_has_the_capability_here(void **state)
{
	static const struct {
		become *how;
		bool may;
	} who[] = { { root, true }, { nobody, false }, { nobody_with_the_capability, true },
		{ root_without_it, false }, { nobody_who_is_root_in_a_namespace, false } };

	(void)state;
	if (getuid() != 0)
		skip();
	for (unsigned i = 0; i < ARRAY_LEN(who); i++) {
		pid_t pid = process(who[i].how);
		int pidfd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;

		if (pid < 0 && who[i].how == nobody_who_is_root_in_a_namespace)
			continue; /* not on this machine */
		assert_true(pidfd >= 0);
		assert_int_equal(ctl_cred_may_bind_low(pid, pidfd), who[i].may);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		assert_false(ctl_cred_may_bind_low(pid, pidfd));
		close(pidfd);
	}
}

static void the_number_of_a_process_that_ended_is_not_believed(void **state)
{
	pid_t ended = process(root);
	int pidfd = (int)syscall(SYS_pidfd_open, ended, 0);

	(void)state;
	kill(ended, SIGKILL);
	waitpid(ended, NULL, 0);
	assert_false(ctl_cred_may_bind_low(getpid(), pidfd)); /* as if we had its number now */
	assert_false(ctl_cred_may_bind_low(0, -1));
	close(pidfd);
}

static void asks_for(struct ctl_rig *c, int port)
{
	struct ctl_msg m = { .type = CTL_LISTEN, .listen = { .cookie = 1, .port = (uint16_t)port } };
	struct client l;
	uint64_t off;

	CLIENT_EXPECT(nobody());
	l = client_attach(c);
	client_context(&l, &off);
	CLIENT_EXPECT(client_ask(l.fd, &m) == (port < 1024 ? EACCES : 0));
	m = (struct ctl_msg){ .type = CTL_CONNECT, .connect = { .local_port = (uint16_t)port } };
	CLIENT_EXPECT(client_ask(l.fd, &m) == (port < 1024 ? EACCES : 0));
	m.connect.local_port = 0;
	m.type = CTL_CONNECT;
	CLIENT_EXPECT(client_ask(l.fd, &m) == 0);
}

static void a_user_gets_no_port_that_bind_would_refuse(void **state)
{
	struct ctl_rig *c;

	(void)state;
	if (getuid() != 0 || ctl_cred_low_ports() != 1024)
		skip();
	c = ctl_rig_new();
	client_run(c, asks_for, 1023);
	client_run(c, asks_for, 1024);
	ctl_rig_until(c, all_gone(c));
	ctl_rig_end(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(low_ports_are_for_who_has_the_capability_here),
		cmocka_unit_test(the_number_of_a_process_that_ended_is_not_believed),
		cmocka_unit_test(a_user_gets_no_port_that_bind_would_refuse),
	};

	return cmocka_run_group_tests(tests, ctl_rig_start_group, eal_rig_stop);
}
