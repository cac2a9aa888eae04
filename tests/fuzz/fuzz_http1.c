/* SPDX-License-Identifier: Apache-2.0 */
#include "oracle.h"

FUZZ_TARGET(http1_protocol)
