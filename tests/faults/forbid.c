/* forbid CALL=ERRNO... -- COMMAND...: starts a command whose system calls of that name fail (seccomp(2)).
 * `mprotect` is forbidden for one page that is to become writable: a relocation slot, not a thread's stack. */

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct {
	const char *name;
	unsigned number;
} calls[] = {
	{ "prctl", SYS_prctl },
	{ "mprotect", SYS_mprotect },
	{ "mremap", SYS_mremap },
	{ "timer_create", SYS_timer_create },
	{ "sendmsg", SYS_sendmsg },
	{ "epoll_pwait", SYS_epoll_pwait },
	{ "getrandom", SYS_getrandom },
};

#define FIELD(field) \
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))

int main(int argc, char **argv)
{
	struct sock_filter filter[200];
	size_t length = 0;
	int at = 1;

	for (; at < argc && strcmp(argv[at], "--"); at++) {
		char *value = strchr(argv[at], '=');
		size_t i, count = sizeof(calls) / sizeof(*calls);
		unsigned fails;

		if (!value)
			return fprintf(stderr, "forbid: %s: no errno\n", argv[at]), 2;
		*value++ = 0;
		fails = SECCOMP_RET_ERRNO | atoi(value);
		for (i = 0; i < count && strcmp(calls[i].name, argv[at]); i++)
			;
		if (i == count)
			return fprintf(stderr, "forbid: %s is not known\n", argv[at]), 2;
		if (calls[i].number == SYS_mprotect) {
			struct sock_filter page[] = {
				FIELD(nr),
				BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mprotect, 0, 5),
				FIELD(args[1]),
				BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 4096, 0, 3),
				FIELD(args[2]),
				BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PROT_READ | PROT_WRITE, 0, 1),
				BPF_STMT(BPF_RET | BPF_K, fails),
			};
			memcpy(filter + length, page, sizeof(page));
			length += sizeof(page) / sizeof(*page);
		} else {
			struct sock_filter one[] = {
				FIELD(nr),
				BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, calls[i].number, 0, 1),
				BPF_STMT(BPF_RET | BPF_K, fails),
			};
			memcpy(filter + length, one, sizeof(one));
			length += sizeof(one) / sizeof(*one);
		}
	}
	filter[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);

	struct sock_fprog program = { .len = length, .filter = filter };
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		return perror("forbid"), 1;
	execvp(argv[at + 1], argv + at + 1);
	return perror("forbid"), 127;
}
