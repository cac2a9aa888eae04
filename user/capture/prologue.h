/* SPDX-License-Identifier: Apache-2.0 */
/* Where at the beginning of a function a probe costs least. */
#ifndef ONLOOKER_PROLOGUE_H
#define ONLOOKER_PROLOGUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROLOGUE_BYTES 64

/*
 * How far behind the entry of the function, whose first bytes are `code`, the probe is to be set:
 * up to there nothing touches the stack, and each instruction is run by every call. The kernel runs
 * the instruction at a probe in a single step of its own, at the cost of several probes, unless it
 * is one that it can do itself (push, jump, call). `arguments`: those must still be in their
 * registers. 0 where nothing better than the entry is known.
 */
size_t prologue_skip(const uint8_t code[PROLOGUE_BYTES], bool arguments);

#endif
