/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verbs of SQL statements as small numbers, named as PostgreSQL's command tags begin: END is
 * COMMIT, VALUES is SELECT.
 */
#ifndef ONLOOKER_SQL_VERB_H
#define ONLOOKER_SQL_VERB_H

#include "bytes.h"

/* They fit in SQL_VERB_BITS; 0 is "OTHER". */
#define SQL_OTHER 0
#define SQL_VERB_BITS 6
#define SQL_WORD 24 /* no first word of a tag is longer */

/*
 * The number of a command tag's or statement's first word (upper case; END, VALUES and the like
 * are translated), SQL_OTHER where it is none of ours.
 */
uint8_t sql_verb(struct bytes word);

/* Its name (names.h). */
uint16_t sql_verb_name(uint8_t verb);

/*
 * The name for a command tag ("INSERT 0 1"): that of its first word; of unknown ones as
 * many have a name as a peer may make up, the rest are SQL_OTHER's.
 */
uint16_t sql_tag_name(struct bytes tag);

#endif
