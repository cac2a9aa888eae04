/* SPDX-License-Identifier: Apache-2.0 */
/* A test in which details of exchanges are wanted; cmocka.h comes first. */
#ifndef ONLOOKER_TEST_WANTED_H
#define ONLOOKER_TEST_WANTED_H

#include "proto/wanted.h"

static inline int wanted_set_up(void **state)
{
	(void)state;
	return details_begin();
}

static inline int wanted_tear_down(void **state)
{
	(void)state;
	details_end();
	return 0;
}

#define WANTED(name) cmocka_unit_test_setup_teardown(name, wanted_set_up, wanted_tear_down)

#endif
