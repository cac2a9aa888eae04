/* SPDX-License-Identifier: Apache-2.0 */
#include "oracle.h"

FUZZ_TARGET(postgres_protocol)
