/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Only the instructions that compilers begin functions with are known; Intel 64 and IA-32
 * Architectures Software Developer's Manual, volume 2, chapter 2 and appendix A. Which ones the
 * kernel does itself: arch/x86/kernel/uprobes.c, branch_setup_xol_ops() and push_setup_xol_ops().
 */
#include "capture/prologue.h"

#include <string.h>

#define MOST 32 /* bytes skipped */

#if defined(__x86_64__)

#define FS 0x64
#define MOV_LOAD 0x8b
#define TEST 0x85
#define XOR 0x31

/* The size of the operand that the ModRM byte begins; 0 for what involves the stack pointer. */
static size_t operand_size(const uint8_t *code)
{
	uint8_t mode = code[0] >> 6, memory = code[0] & 7;
	size_t size = mode == 1 ? 2 : mode == 2 ? 5 : 1;

	if (mode == 3)
		return 1;
	if (memory == 4) /* an index byte; base 5 without mode is an address alone */
		return mode == 0 && code[1] == 0x25 ? 6 : 0;
	return mode == 0 && memory == 5 ? 5 : size;
}

/* Of an instruction that only loads or tests registers other than the stack pointer; 0 of others.
 */
static size_t harmless_size(const uint8_t *code)
{
	size_t prefix = code[0] == FS ? 1 : 0, operand;
	uint8_t target;

	if ((code[prefix] & 0xf0) == 0x40)
		prefix++;
	target = code[prefix + 1] >> 3 & 7;
	if (code[prefix] != MOV_LOAD && code[prefix] != TEST && code[prefix] != XOR)
		return 0;
	if (code[prefix] != TEST && target == 4) /* it may be the stack pointer */
		return 0;
	if (code[prefix] == XOR && (code[prefix + 1] >> 6 != 3 || (code[prefix + 1] & 7) == 4))
		return 0;
	operand = operand_size(code + prefix + 1);
	return operand ? prefix + 1 + operand : 0;
}

static bool is_emulated(const uint8_t *code)
{
	if (code[0] == 0x41) /* push of one of the upper registers */
		return code[1] >= 0x50 && code[1] <= 0x57;
	return (code[0] >= 0x50 && code[0] <= 0x57) || (code[0] >= 0x70 && code[0] <= 0x7f) ||
	       (code[0] == 0x0f && code[1] >= 0x80 && code[1] <= 0x8f) || code[0] == 0xe8 ||
	       code[0] == 0xe9 || code[0] == 0xeb;
}

size_t prologue_skip(const uint8_t code[PROLOGUE_BYTES], bool arguments)
{
	static const uint8_t endbr64[] = { 0xf3, 0x0f, 0x1e, 0xfa };
	size_t begin = memcmp(code, endbr64, sizeof(endbr64)) == 0 ? sizeof(endbr64) : 0;
	size_t at = begin, size;

	while (!arguments && at < MOST && !is_emulated(code + at)) {
		size = harmless_size(code + at);
		if (!size)
			return begin;
		at += size;
	}
	return at < MOST ? at : begin;
}

#else

size_t prologue_skip(const uint8_t code[PROLOGUE_BYTES], bool arguments)
{
	(void)code;
	(void)arguments;
	return 0;
}

#endif
