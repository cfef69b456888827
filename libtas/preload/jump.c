/* SPDX-License-Identifier: BSD-3-Clause */
/* longjmp. A jump may lead out of calls of ours that a signal handler interrupted: what they hold is given
 * back before it (stay.h). The stack that a jmp_buf names is glibc's secret; where we do not know how it is
 * kept, or it proves to be kept otherwise, the thread's next call that waits finds what it can. */
#include "libtas/preload/exports.h"

#include <setjmp.h>
#include <stdint.h>

#include "libtas/posix/real.h"
#include "libtas/posix/stay.h"

static bool readable;

#if defined(__x86_64__)

/* Rotated, and mixed with a number that stands in the thread's control block. */
static uintptr_t stack_of(const struct __jmp_buf_tag *env)
{
	enum { RSP = 6 };
	uintptr_t stack = (uintptr_t)env->__jmpbuf[RSP];

	__asm__("rorq $17, %0\n\txorq %%fs:48, %0" : "+r"(stack));
	return stack;
}

static __attribute__((constructor)) void try(void)
{
	const uintptr_t near = 4096;
	uintptr_t here = (uintptr_t)__builtin_frame_address(0), stack;
	jmp_buf env;

	if (setjmp(env) != 0)
		return;
	stack = stack_of(env);
	readable = stack <= here && here - stack < near;
}

#else

static uintptr_t stack_of(const struct __jmp_buf_tag *env) { return (uintptr_t)env; }

#endif

static void before(const struct __jmp_buf_tag *env)
{
	if (unlikely(stay_newest != NULL) && readable)
		stay_jump(stack_of(env));
}

void __longjmp_chk(struct __jmp_buf_tag env[1], int value) __attribute__((noreturn));

EXPORT _Noreturn void longjmp(jmp_buf env, int value)
{
	before(env);
	REAL(longjmp)(env, value);
	__builtin_unreachable();
}

EXPORT _Noreturn void siglongjmp(sigjmp_buf env, int value)
{
	before(env);
	REAL(siglongjmp)(env, value);
	__builtin_unreachable();
}

EXPORT _Noreturn void __longjmp_chk(struct __jmp_buf_tag env[1], int value)
{
	before(env);
	REAL(__longjmp_chk)(env, value);
	__builtin_unreachable();
}

ALIAS(_longjmp, longjmp);
