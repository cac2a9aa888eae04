/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/preempt.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>

#include "kfunc.h"
#include "util/kernel.h"

#define KFUNCS (KFUNC_END - KFUNC_PREEMPT_DISABLE)

/* The functions' numbers in the kernel's types, in the order of enum kfunc_call. */
static int find(const struct btf *btf, int ret[KFUNCS])
{
	static const char *const names[KFUNCS] = {
		"bpf_preempt_disable",
		"bpf_preempt_enable",
		"bpf_local_irq_save",
		"bpf_local_irq_restore",
	};

	for (int i = 0; i < KFUNCS; i++) {
		ret[i] = btf__find_by_name_kind(btf, names[i], BTF_KIND_FUNC);
		if (ret[i] < 0)
			return -ENOENT;
	}
	return 0;
}

bool preempt_matters(const struct btf *btf, bool tracepoint)
{
	int ids[KFUNCS];

	if (find(btf, ids))
		return false;
	return !tracepoint || kernel_version() >= KERNEL(7, 0);
}

static int prepare(struct bpf_program *program, const int ids[KFUNCS])
{
	size_t count = bpf_program__insn_cnt(program);
	struct bpf_insn *code = calloc(count, sizeof(*code));
	int result;

	if (!code)
		return -ENOMEM;
	memcpy(code, bpf_program__insns(program), count * sizeof(*code));
	for (size_t i = 0; i < count; i++) {
		if (code[i].code != (BPF_JMP | BPF_CALL) || code[i].src_reg ||
		    code[i].imm < KFUNC_PREEMPT_DISABLE || code[i].imm >= KFUNC_END)
			continue;
		code[i].src_reg = BPF_PSEUDO_KFUNC_CALL;
		code[i].imm = ids[code[i].imm - KFUNC_PREEMPT_DISABLE];
	}
	result = bpf_program__set_insns(program, code, count);
	free(code);
	return result;
}

int preempt_prepare(struct bpf_object *object, const struct btf *btf)
{
	struct bpf_program *program;
	int ids[KFUNCS];
	int result = find(btf, ids);

	bpf_object__for_each_program(program, object)
	{
		if (!result)
			result = prepare(program, ids);
	}
	return result;
}
