/* SPDX-License-Identifier: Apache-2.0 */
/* What a scraper wants, from its headers (RFC 9110, section 12.5). NULL where it did not send one.
 */
#ifndef ONLOOKER_ACCEPT_H
#define ONLOOKER_ACCEPT_H

#include "export/exposition.h"

/* From Accept: OpenMetrics where it is named and preferred no less than plain text. */
enum exposition accept_format(const char *accept);

/* From Accept-Encoding: whether gzip will do. */
bool accept_gzip(const char *encodings);

#endif
