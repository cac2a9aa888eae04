/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Doubly linked lists whose links lie in what they hold. A list is a link that points to itself
 * while it is empty; so does a link that is in no list.
 */
#ifndef ONLOOKER_LIST_H
#define ONLOOKER_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
	struct list *next, *prev;
};

/* What holds `link` as its member. */
#define LIST_OF(link, type, member) ((type *)(void *)((char *)(link) - offsetof(type, member)))

static inline void list_init(struct list *list)
{
	list->next = list->prev = list;
}

static inline bool list_empty(const struct list *list)
{
	return list->next == list;
}

/* Adds a link, which is in no list, at the end. */
static inline void list_add(struct list *list, struct list *link)
{
	link->prev = list->prev;
	link->next = list;
	list->prev->next = link;
	list->prev = link;
}

/* Takes a link out of its list; nothing happens if it is in none. */
static inline void list_remove(struct list *link)
{
	link->prev->next = link->next;
	link->next->prev = link->prev;
	list_init(link);
}

#endif
