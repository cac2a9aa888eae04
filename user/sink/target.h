/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a request's target says that may be shown, as routes and spans have it: its path, without
 * the query, the fragment that some clients send, and the parameters of segments (RFC 3986, section
 * 3.3), of which ";jsessionid=..." is what a session's cookie is.
 */
#ifndef ONLOOKER_TARGET_H
#define ONLOOKER_TARGET_H

#include "bytes.h"

/*
 * The path of a target in one of the four forms of RFC 9112, section 3.2; "/" where that is empty.
 * False, and *ret untouched: it has none ("*", "host:port").
 */
bool target_path(struct bytes target, struct bytes *ret);

/* The first segment of a path, up to its slash or the end; *ret_name: without its parameters. */
struct bytes target_segment(struct bytes path, struct bytes *ret_name);

#endif
