/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a load balancer puts in front of a connection's bytes to tell whose they are: the PROXY
 * protocol, versions 1 and 2 (HAProxy's doc/proxy-protocol.txt, section 2).
 */
#ifndef ONLOOKER_PREAMBLE_H
#define ONLOOKER_PREAMBLE_H

#include <sys/types.h>

#include "bytes.h"

/*
 * The bytes of the header that `head` begins with, which may be more than are there; 0 where it is
 * none, -EAGAIN while more bytes could tell.
 */
ssize_t preamble_size(struct bytes head);

#endif
