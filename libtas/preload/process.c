/* SPDX-License-Identifier: BSD-3-Clause */
/* Copies of the process, and syscall(2). fork itself is not here: glibc runs our pthread_atfork handlers in
 * it, and in daemon(3) and forkpty(3). */
#include "libtas/preload/exports.h"

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "libtas/lib_os.h"
#include "libtas/posix/fork.h"
#include "libtas/posix/real.h"

static __attribute__((constructor(101))) void start(void)
{
	real_init();
	lib_linked_syscall = REAL(syscall);
	fork_init();
}

EXPORT pid_t _Fork(void) { return px_Fork(); }

EXPORT int clone(int (*function)(void *), void *stack, int flags, void *argument, ...)
{
	void *parent_tid, *tls, *child_tid;
	va_list args;

	va_start(args, argument);
	parent_tid = va_arg(args, void *);
	tls = va_arg(args, void *);
	child_tid = va_arg(args, void *);
	va_end(args);
	return px_clone(function, stack, flags, argument, parent_tid, tls, child_tid);
}

ALIAS(__clone, clone);

EXPORT int chroot(const char *path) { return px_chroot(path); }

#if defined(__x86_64__)

/* vfork returns twice on one stack, so nothing may stand between it and the caller: the return address waits
 * in a register. fork_guest_begin comes before; when the parent goes on, fork_guest_end. */
pid_t preload_vfork_parent(long result);
long preload_syscall(long number, ...);

__attribute__((used, visibility("hidden"))) pid_t preload_vfork_parent(long result)
{
	fork_guest_end();
	return (pid_t)real_result(result);
}

__asm__(".pushsection .text\n"
	".globl vfork, __vfork\n"
	".type vfork, @function\n"
	".type __vfork, @function\n"
	"vfork:\n"
	"__vfork:\n"
	".Lvfork:\n"
	"	subq $8, %rsp\n"
	"	call fork_guest_begin\n"
	"	addq $8, %rsp\n"
	"	popq %rdx\n"      /* the return address: the child's calls overwrite it on the stack */
	"	movl $58, %eax\n" /* SYS_vfork */
	"	syscall\n"
	"	pushq %rdx\n"
	"	testq %rax, %rax\n"
	"	jz 1f\n"
	"	movq %rax, %rdi\n"
	"	jmp preload_vfork_parent\n"
	"1:	ret\n"
	".size vfork, . - vfork\n"
	/* syscall: clone on a new stack and vfork must return from the very frame they were called in */
	".globl syscall\n"
	".type syscall, @function\n"
	"syscall:\n"
	"	cmpq $58, %rdi\n"
	"	je .Lvfork\n"
	"	cmpq $56, %rdi\n" /* SYS_clone */
	"	jne 3f\n"
	"	testq %rdx, %rdx\n" /* with a stack, or with shared memory */
	"	jnz 2f\n"
	"	testq $0x100, %rsi\n"
	"	jnz 2f\n"
	"3:	jmp preload_syscall\n"
	"2:	movq %rsi, %rax\n"
	"	andl $0x500, %eax\n" /* shared memory, and descriptors of its own: a guest */
	"	cmpl $0x100, %eax\n"
	"	jne 5f\n"
	"	pushq %rdi\n"
	"	pushq %rsi\n"
	"	pushq %rdx\n"
	"	pushq %rcx\n"
	"	pushq %r8\n"
	"	pushq %r9\n"
	"	subq $8, %rsp\n"
	"	call fork_guest_begin\n"
	"	addq $8, %rsp\n"
	"	popq %r9\n"
	"	popq %r8\n"
	"	popq %rcx\n"
	"	popq %rdx\n"
	"	popq %rsi\n"
	"	popq %rdi\n"
	"5:	movq %rdi, %rax\n"
	"	movq %rsi, %rdi\n"
	"	movq %rdx, %rsi\n"
	"	movq %rcx, %rdx\n"
	"	movq %r8, %r10\n"
	"	movq %r9, %r8\n"
	"	movq 8(%rsp), %r9\n"
	"	syscall\n"
	"	cmpq $-4095, %rax\n"
	"	jae 4f\n"
	"	ret\n"
	"4:	movq %rax, %rdi\n"
	"	jmp real_result\n"
	".size syscall, . - syscall\n"
	".popsection\n");

#define SYSCALL_NAME preload_syscall
__attribute__((used, visibility("hidden")))
#else

/* Elsewhere vfork is fork: the child gets a copy, and the parent does not wait for it. */
EXPORT pid_t vfork(void) { return fork(); }
ALIAS(__vfork, vfork);

#define SYSCALL_NAME syscall
EXPORT
#endif
long SYSCALL_NAME(long number, ...)
{
	va_list args;
	long a[6];

	va_start(args, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(args, long);
	va_end(args);
	return px_syscall(number, a);
}
