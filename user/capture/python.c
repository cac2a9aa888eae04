/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/python.h"

#include <errno.h>
#include <string.h>

#include "capture/python_method.h"

#define ADDRESS_LEAST 0x10000ULL
#define ADDRESS_MOST (1ULL << 47)
#define RUNTIME_WORDS 400
#define INTERPRETER_WORDS 12000
#define STATE_WORDS 90
#define LINKS 3	       /* words of a state in which its neighbours' addresses are */
#define OWNER_WORDS 8  /* words of a state in which its interpreter's address is */
#define THREAD_FIRST 8 /* words of a state in which its thread's area is */
#define THREAD_LAST 40
#define STATES 256
#define SLOT_LEAST (-0x1000) /* the thread's own area, around the thread pointer */
#define SLOT_MOST 0x900
#define SLOTS ((SLOT_MOST - SLOT_LEAST) / 8)
#define PID_MOST (4 << 20)
#define OBJECT_TYPE 8 /* offsets in a PyObject, and in a PyTypeObject */
#define TYPE_SIZE 32
#define TYPE_METHODS 232
#define TYPE_NEW 312
#define FREE_HEAD 16	  /* without the GIL an object's head is longer by that: 3.13, object.h */
#define CONTEXT_INSIDE 16 /* of struct task_inside, with which a context ends */
#define OWN_CONTEXTS 0x030e0000 /* 3.14: threading.Thread runs in a context, contextvars' docs */

/* The states of an interpreter's threads. */
struct states {
	uint64_t interpreter;
	bool several;			  /* there are other interpreters, too */
	unsigned int owner_at, thread_at; /* words in a state */
	unsigned int count;
	struct {
		uint64_t address;
		uint64_t pointer; /* the thread pointer; 0: no thread runs with this state */
	} list[STATES];
};

static bool is_plausible(uint64_t word)
{
	return word % 8 == 0 && word >= ADDRESS_LEAST && word < ADDRESS_MOST;
}

/* A thread pointer points to itself: ELF TLS ABI, x86-64. */
static bool is_thread_pointer(struct remote *remote, uint64_t word)
{
	return is_plausible(word) && remote_word(remote, word) == word;
}

/* ---- thread states ---- */

/* Whether there is a thread's state at `address`; then where in it the two words are. */
static bool read_state(struct remote *remote, uint64_t address, uint64_t interpreter,
		       struct states *states)
{
	uint64_t words[THREAD_LAST + 2];
	unsigned int owner = 0, at;

	if (!is_plausible(address) || !remote_read(remote, address, words, sizeof(words)))
		return false;
	while (owner < OWNER_WORDS && words[owner] != interpreter)
		owner++;
	if (owner == OWNER_WORDS)
		return false;
	/* A number follows: the thread's, as its own pid namespace has it. An empty list points to
	 * itself, too, but lies within. */
	for (at = THREAD_FIRST; at <= THREAD_LAST; at++) {
		if (words[at + 1] == 0 || words[at + 1] > PID_MOST ||
		    words[at] - address < sizeof(words) || !is_thread_pointer(remote, words[at]))
			continue;
		states->interpreter = interpreter;
		states->owner_at = owner;
		states->thread_at = at;
		return true;
	}
	return false;
}

/* Looks in an interpreter, if it is one, for the first of its threads' states. */
static bool search_interpreter(struct remote *remote, uint64_t interpreter, struct states *states)
{
	for (unsigned int i = 0; i < INTERPRETER_WORDS; i++) {
		uint64_t word = remote_word(remote, interpreter + i * 8);

		if (word == 0 || word == interpreter)
			continue;
		if (read_state(remote, word, interpreter, states)) {
			states->list[0].address = word;
			states->count = 1;
			return true;
		}
	}
	return false;
}

/*
 * The only interpreter is both the first and the main one: two equal words. Where there are more,
 * the main one is behind the first, and a part of the runtime. Only where there is none of both
 * every word is tried.
 */
static bool search_runtime(struct remote *remote, uint64_t runtime, uint64_t size,
			   struct states *states)
{
	enum { PAIR, PART, ANY, RANKS } rank, sought;
	unsigned int words = size / 8 < RUNTIME_WORDS ? (unsigned int)(size / 8) : RUNTIME_WORDS;

	for (sought = PAIR; sought < RANKS; sought++) {
		for (unsigned int i = 0; i + 1 < words; i++) {
			uint64_t word = remote_word(remote, runtime + i * 8);

			if (word == remote_word(remote, runtime + (i + 1) * 8))
				rank = PAIR;
			else
				rank = word - runtime < size ? PART : ANY;
			if (rank == sought && is_plausible(word) &&
			    search_interpreter(remote, word, states)) {
				states->several = rank != PAIR;
				return true;
			}
		}
	}
	return false;
}

static bool is_known(const struct states *states, uint64_t address)
{
	for (unsigned int i = 0; i < states->count; i++) {
		if (states->list[i].address == address)
			return true;
	}
	return false;
}

/* Follows the links from the first state to all others. */
static void collect_states(struct remote *remote, struct states *states)
{
	for (unsigned int i = 0; i < states->count; i++) {
		uint64_t address = states->list[i].address;
		uint64_t thread = remote_word(remote, address + states->thread_at * 8ULL);

		states->list[i].pointer = is_thread_pointer(remote, thread) ? thread : 0;
		for (unsigned int k = 0; k < LINKS && states->count < STATES; k++) {
			uint64_t next = remote_word(remote, address + k * 8);

			if (is_plausible(next) && !is_known(states, next) &&
			    next != states->interpreter &&
			    remote_word(remote, next + states->owner_at * 8ULL) ==
				    states->interpreter)
				states->list[states->count++].address = next;
		}
	}
}

/* ---- slots ---- */

/* What the threads have at one distance from their thread pointers. */
struct tally {
	uint16_t own;	/* a state of the thread itself */
	uint16_t empty; /* NULL */
	uint16_t other;
};

static bool is_own(struct remote *remote, const struct states *states, uint64_t pointer,
		   uint64_t word)
{
	for (unsigned int i = 0; i < states->count; i++) {
		if (states->list[i].pointer == pointer && states->list[i].address == word)
			return true;
	}
	/* Of another interpreter, which the thread is in now. */
	return states->several && is_plausible(word) && word - pointer >= (uint64_t)SLOT_MOST &&
	       remote_word(remote, word + states->thread_at * 8ULL) == pointer &&
	       is_plausible(remote_word(remote, word + states->owner_at * 8ULL));
}

static unsigned int count_slots(struct remote *remote, const struct states *states,
				struct tally tallies[SLOTS])
{
	unsigned int threads = 0;

	memset(tallies, 0, SLOTS * sizeof(*tallies));
	for (unsigned int i = 0; i < states->count; i++) {
		uint64_t pointer = states->list[i].pointer;

		threads += pointer != 0;
		for (int k = 0; pointer && k < SLOTS; k++) {
			uint64_t word = remote_word(remote, pointer + SLOT_LEAST + k * 8);

			if (word == 0)
				tallies[k].empty++;
			else if (is_own(remote, states, pointer, word))
				tallies[k].own++;
			else
				tallies[k].other++;
		}
	}
	return threads;
}

/*
 * The slot in which every thread has its own state: the highest, where several are. That one is the
 * C library's, above the thread pointer; below are the program's own variables, and one of those
 * may be empty while the GIL is free and just have been caught full: then another one is taken
 * along.
 */
static int choose_slots(struct remote *remote, const struct states *states, struct task_way *ret)
{
	struct tally tallies[SLOTS];
	unsigned int threads = count_slots(remote, states, tallies);
	int first = -1, second = -1;

	for (int k = SLOTS - 1; k >= 0; k--) {
		if (tallies[k].other || !tallies[k].own)
			continue;
		if (first < 0 && tallies[k].own == threads)
			first = k;
		else if (second < 0 || tallies[k].own > tallies[second].own)
			second = k;
	}
	if (first < 0)
		return -EAGAIN;
	ret->slot[0] = SLOT_LEAST + first * 8;
	ret->slot[1] = second < 0 || ret->slot[0] >= 0 ? 0 : SLOT_LEAST + second * 8;
	return 0;
}

/* ---- contexts ---- */

/* With the GIL or without: where a type says that it is one. */
static bool find_head(struct remote *remote, uint64_t metatype, struct task_way *ret)
{
	for (ret->head = 0; ret->head <= FREE_HEAD; ret->head += FREE_HEAD) {
		if (remote_word(remote, ret->type + ret->head + OBJECT_TYPE) == metatype)
			return true;
	}
	return false;
}

static bool is_context(struct remote *remote, uint64_t word, const struct task_way *way)
{
	return is_plausible(word) &&
	       remote_word(remote, word + way->head + OBJECT_TYPE) == way->type;
}

/*
 * The one word that is a context in some states, and in all others NULL. What is none in one state
 * is not looked at in the others: each look costs a page, and threads may be many.
 */
static int find_context(struct remote *remote, const struct states *states, struct task_way *ret)
{
	enum { UNKNOWN, CONTEXT, OTHER } words[STATE_WORDS] = { UNKNOWN };
	unsigned int found = 0;

	for (unsigned int i = 0; i < states->count; i++) {
		for (unsigned int k = OWNER_WORDS; k < STATE_WORDS; k++) {
			uint64_t word = remote_word(remote, states->list[i].address + k * 8);

			if (word && words[k] != OTHER)
				words[k] = is_context(remote, word, ret) ? CONTEXT : OTHER;
		}
	}
	for (unsigned int k = OWNER_WORDS; k < STATE_WORDS; k++) {
		if (words[k] != CONTEXT)
			continue;
		found++;
		ret->context = k * 8;
	}
	return found == 1 ? 0 : -EAGAIN;
}

/* By the size that contexts have had so far; what the flag says is checked where one is. */
static uint32_t find_inside(struct remote *remote, const struct states *states,
			    const struct task_way *way)
{
	uint32_t at = way->head + CONTEXT_INSIDE;

	if (remote_word(remote, way->type + way->head + TYPE_SIZE) !=
	    at + sizeof(struct task_inside))
		return 0;
	for (unsigned int i = 0; i < states->count; i++) {
		uint64_t context = remote_word(remote, states->list[i].address + way->context);
		struct task_inside inside;

		if (context && (!remote_read(remote, context + at, &inside, sizeof(inside)) ||
				inside.entered > 1 ||
				(inside.previous && !is_context(remote, inside.previous, way))))
			return 0;
	}
	return at;
}

static uint64_t find_method(struct remote *remote, uint64_t methods, const char *sought)
{
	struct python_method method;

	for (int i = 0; i < PYTHON_METHODS && python_method_read(remote, methods, &method); i++) {
		if (python_method_is(remote, &method, sought))
			return method.function;
		methods += sizeof(method);
	}
	return 0;
}

/* What makes contexts beside PyContext_CopyCurrent(), at addresses that others had. */
static void find_makers(struct remote *remote, struct python *ret)
{
	uint64_t type = ret->way.type + ret->way.head;

	ret->make[0] = remote_word(remote, type + TYPE_NEW);
	ret->make[1] = find_method(remote, remote_word(remote, type + TYPE_METHODS), "copy");
}

/* ---- together ---- */

bool python_is(struct remote *remote, const struct image *image)
{
	return image_symbol(remote, image, "_PyRuntime", NULL) != 0;
}

int python_find(struct remote *remote, const struct image *image, struct python *ret,
		const char **ret_why)
{
	struct python found = { .way = { .kind = TASK_WAY_CPYTHON } };
	uint64_t size = 0, runtime = image_symbol(remote, image, "_PyRuntime", &size);
	struct states states = { 0 };
	uint64_t version, metatype = image_symbol(remote, image, "PyType_Type", NULL);

	found.way.type = image_symbol(remote, image, "PyContext_Type", NULL);
	found.copy = image_symbol(remote, image, "PyContext_CopyCurrent", NULL);
	version = image_symbol(remote, image, "Py_Version", NULL);
	*ret_why = "its CPython is older than 3.11, or does not export what is needed";
	if (!runtime || !found.way.type || !found.copy || !version || !metatype)
		return -ENOTSUP;
	*ret_why = "its objects' heads are not known";
	if (!find_head(remote, metatype, &found.way))
		return -EAGAIN; /* types may not be ready yet */
	*ret_why = "its threads' states are not where they are sought";
	if (!search_runtime(remote, runtime, size, &states))
		return remote_spent(remote) ? -ENOENT : -EAGAIN;
	collect_states(remote, &states);
	*ret_why = "its threads do not agree on where their states are";
	if (choose_slots(remote, &states, &found.way))
		return -EAGAIN;
	*ret_why = "no thread has a context, or it is not clear where";
	if (find_context(remote, &states, &found.way))
		return -EAGAIN;
	found.way.inside = find_inside(remote, &states, &found.way);
	find_makers(remote, &found);
	found.way.own = remote_word(remote, version) >= OWN_CONTEXTS;
	*ret = found;
	return 0;
}
