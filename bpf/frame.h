/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How long a frame is, which only its head tells. Two forms:
 *
 *	| kind, 1 byte | length, 4 bytes, the most significant first | body |
 *	               |<-------------- that many bytes ------------------->|
 *
 *	| (CR LF) length, 1 to 8 hexadecimal digits, CR LF | that many bytes, not 0 |
 *
 * FRAME_LINES is the second one: the empty line in front ends the frame before.
 */
#ifndef ONLOOKER_BPF_FRAME_H
#define ONLOOKER_BPF_FRAME_H

#define FRAME_LONGEST (1ULL << 28) /* longer ones are skipped by their length */
#define LINES_HEAD 12		   /* bytes of the longest head of the second form */
#define FRAME_NONE 0		   /* none to hop over */
#define FRAME_CUT 1		   /* the head is not all there */

/* The first bytes of a frame, and what comes behind. */
struct head {
	u64 low, high;
};

/* 1 where the number is negative, else 0. No branch, which compilers would make of a condition. */
static __always_inline u64 below_zero(u64 number)
{
	asm volatile("" : "+r"(number));
	return number >> 63;
}

/* A digit's value; 16 for what is none. */
static __always_inline u64 digit_value(u64 c)
{
	u64 digit = c - '0', letter = (c | 0x20) - 'a';
	u64 no_digit = below_zero(digit | (9 - digit));
	u64 no_letter = below_zero(letter | (5 - letter));

	return (digit & (no_digit - 1)) | ((letter + 10) & (no_letter - 1)) |
	       (no_digit & no_letter) << 4;
}

/* Global functions of scalars are verified once by themselves, not in the loops that call them. */
__attribute__((noinline)) u64 lines_size(u64 low, u64 high, u32 have)
{
	u64 value = 0, digits = 0, going = 1, empty, size;

	/* Behind what is there anything may be. */
	if (have < 8)
		low &= (1ULL << 8 * have) - 1;
	if (have < 16)
		high &= have > 8 ? (1ULL << 8 * (have - 8)) - 1 : 0;
	empty = 16 * below_zero(((low ^ 0x0a0d) & 0xffff) - 1);
	low = low >> empty | high << 1 << (63 - empty);
	high >>= empty;
	for (u32 i = 0; i < 8; i++) {
		u64 digit = digit_value(low >> 8 * i & 0xff);

		going &= ~digit >> 4;
		value = value << 4 * going | (digit & (0 - going));
		digits += going;
	}
	low = low >> 4 * digits >> 4 * digits | high << (64 - 8 * digits & 63);
	size = empty / 8 + digits + 2;
	if (size > have)
		return !low || (low == '\r' && size == have + 1) ? FRAME_CUT : FRAME_NONE;
	if (!value || value > FRAME_LONGEST || (low & 0xffff) != 0x0a0d)
		return FRAME_NONE;
	return size + value;
}

/* Its branches leave the loop of who asks. */
static __always_inline u64 kinds_size(struct head head, u32 have, u32 kinds)
{
	u32 other = ((head.low ^ kinds) & 0xff) * ((head.low ^ kinds >> 8) & 0xff);
	u64 length = __builtin_bswap32((u32)(head.low >> 8));

	if (have < FRAME_HEAD)
		return FRAME_CUT;
	if (other)
		return FRAME_NONE;
	return length - 4 <= FRAME_LONGEST ? 1 + length : FRAME_NONE;
}

/* The size of the frame that begins with these bytes, of which so many are there; or FRAME_*. */
static __always_inline u64 frame_size(struct head head, u32 have, u32 kinds, bool lines)
{
	return lines ? lines_size(head.low, head.high, have) : kinds_size(head, have, kinds);
}

#endif
