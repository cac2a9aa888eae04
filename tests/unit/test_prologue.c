/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

#include "capture/prologue.h"

/* How far the functions that begin like this are skipped, for returns and for entries. */
static void skipped(const char *bytes, size_t size, size_t returns, size_t entries)
{
	uint8_t code[PROLOGUE_BYTES];

	memset(code, 0xc3, sizeof(code));
	memcpy(code, bytes, size);
	assert_int_equal(prologue_skip(code, false), returns);
	assert_int_equal(prologue_skip(code, true), entries);
}

#define SKIPPED(bytes, returns, entries) skipped(bytes, sizeof(bytes) - 1, returns, entries)
#define ENDBR64 "\xf3\x0f\x1e\xfa"

/* As compilers wrote PyContext_CopyCurrent(). */
static void test_compiled(void **state)
{
	(void)state;
#ifdef __x86_64__
	/* push %rsi; call */
	SKIPPED("\x56\xe8\x1a\x00\x00\x00\x48\x85\xc0", 0, 0);
	/* endbr64; push %rbx; mov %fs:-24,%rbx */
	SKIPPED(ENDBR64 "\x53\x64\x48\x8b\x1c\x25\xe8\xff\xff\xff", 4, 4);
	/* endbr64; mov %fs:-24,%rdx; mov 0xd0(%rdx),%rax; test %rax,%rax; je */
	SKIPPED(ENDBR64 "\x64\x48\x8b\x14\x25\xe8\xff\xff\xff\x48\x8b\x82\xd0\x00\x00\x00\x48\x85"
			"\xc0\x74\x10",
		23, 4);
	/* push %r12 */
	SKIPPED("\x41\x54\x55", 0, 0);
	/* mov 8(%rdi),%rax; xor %ecx,%ecx; jne */
	SKIPPED("\x48\x8b\x47\x08\x31\xc9\x0f\x85\x00\x01\x00\x00", 6, 0);
#endif
}

/* What moves the stack pointer, or is not known, is not gone beyond. */
static void test_stays(void **state)
{
	(void)state;
#ifdef __x86_64__
	SKIPPED("\x48\x83\xec\x08\x53", 0, 0);		   /* sub $8,%rsp */
	SKIPPED(ENDBR64 "\x48\x83\xec\x08\x53", 4, 4);	   /* the same */
	SKIPPED("\x48\x8b\x27\x53", 0, 0);		   /* mov (%rdi),%rsp */
	SKIPPED("\x48\x8b\x44\x24\x08\x53", 0, 0);	   /* mov 8(%rsp),%rax */
	SKIPPED("\x31\xe4\x53", 0, 0);			   /* xor %esp,%esp */
	SKIPPED("\xc3", 0, 0);				   /* ret */
	SKIPPED("\x48\x8b\x47\x08\x48\x89\x07\x53", 0, 0); /* mov %rax,(%rdi) */
	SKIPPED("\x48\x8b\x82\xd0\x00\x00\x00\x48\x8b\x82\xd0\x00\x00\x00"
		"\x48\x8b\x82\xd0\x00\x00\x00\x48\x8b\x82\xd0\x00\x00\x00"
		"\x48\x8b\x82\xd0\x00\x00\x00\x53",
		0, 0); /* too far */
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_compiled),
		cmocka_unit_test(test_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
