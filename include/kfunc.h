/* SPDX-License-Identifier: (GPL-2.0 OR Apache-2.0) */
/*
 * Calls in the programs that user space turns into calls of kernel functions (kfuncs) before it
 * loads them. Declared as symbols they would be looked for in every module's types where the kernel
 * has none, which wants CAP_SYS_ADMIN.
 */
#ifndef ONLOOKER_KFUNC_H
#define ONLOOKER_KFUNC_H

/* No helper of any kernel has such a number. */
enum kfunc_call {
	KFUNC_PREEMPT_DISABLE = 0x7e000000, /* bpf_preempt_disable(), 6.11 and later */
	KFUNC_PREEMPT_ENABLE,
	KFUNC_IRQ_SAVE, /* bpf_local_irq_save(), 6.14 and later */
	KFUNC_IRQ_RESTORE,
	KFUNC_END,
};

#endif
