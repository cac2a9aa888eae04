/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/program.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "capture/interpreter.h"
#include "util/path.h"
#include "util/utf8.h"

/* Servers and runners whose own name says little: the application is their argument. */
static const char *const positional_servers[] = { "uvicorn", "gunicorn", "hypercorn",
						  "daphne",  "granian",	 "waitress-serve",
						  NULL };
static const char *const option_servers[] = { "celery", "flask", NULL };

/* Options of theirs without a value, as far as an application may follow one. */
static const char *const server_flags[] = { "--reload",
					    "--factory",
					    "--proxy-headers",
					    "--no-proxy-headers",
					    "--access-log",
					    "--no-access-log",
					    "--use-colors",
					    "--no-use-colors",
					    "--daemon",
					    "-D",
					    "--preload",
					    "--no-sendfile",
					    "--capture-output",
					    "--check-config",
					    "--print-config",
					    "--spew",
					    "-R",
					    "--enable-stdio-inheritance",
					    "--debug",
					    "--access-logfile=-",
					    NULL };

/* `args` ends with NUL after `size` bytes. */
static void split(const char *args, size_t size, struct arguments *ret)
{
	const char *at;

	ret->count = 0;
	for (at = args; at < args + size && ret->count < ARGUMENTS; at += strlen(at) + 1)
		ret->word[ret->count++] = at;
}

/* Python's ways to start workers that run the parent's functions: programs given as text. */
static bool is_worker(const struct arguments *args)
{
	size_t i;

	for (i = 1; i < args->count; i++)
		if ((strcmp(args->word[i - 1], "-c") == 0 &&
		     strstr(args->word[i], "from multiprocessing.")) ||
		    strncmp(args->word[i], "joblib.externals.loky.", 22) == 0)
			return true;
	return false;
}

static size_t identifier_size(const char *text)
{
	if (!isalpha((unsigned char)text[0]) && text[0] != '_')
		return 0;
	return strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.");
}

/* "package.module:attribute", perhaps a call: "module:create()" */
static bool is_application(const char *word)
{
	size_t size = identifier_size(word);

	if (size == 0 || word[size] != ':')
		return false;
	word += size + 1;
	size = identifier_size(word);
	return size > 0 && (word[size] == '\0' || word[size] == '(');
}

static bool is_module(const char *word)
{
	size_t size = identifier_size(word);

	return size > 0 && word[size] == '\0';
}

/* Whether the argument before may be an option that this one is the value of. */
static bool is_value(const struct arguments *args, size_t i, size_t first)
{
	const char *before = i > first ? args->word[i - 1] : "";

	if (before[0] != '-' || strchr(before, '=') || interpreter_word(before, server_flags))
		return false;
	return before[1] == '-' || strlen(before) == 2;
}

static const char *find_positional(const struct arguments *args, size_t first)
{
	size_t i;

	for (i = first; i < args->count; i++)
		if (is_application(args->word[i]) && !is_value(args, i, first))
			return args->word[i];
	for (i = first; i < args->count; i++)
		if (is_application(args->word[i]))
			return args->word[i];
	for (i = first; i < args->count; i++)
		if (is_module(args->word[i]) && !is_value(args, i, first))
			return args->word[i];
	return NULL;
}

/* -A NAME, -ANAME, --app NAME, --app=NAME */
static const char *find_named(const struct arguments *args, size_t first)
{
	size_t i;

	for (i = first; i < args->count; i++) {
		const char *word = args->word[i];

		if (strncmp(word, "--app=", 6) == 0)
			return word + 6;
		if (strcmp(word, "--app") == 0 || strcmp(word, "-A") == 0)
			return i + 1 < args->count ? args->word[i + 1] : NULL;
		if (strncmp(word, "-A", 2) == 0)
			return word + 2;
	}
	return NULL;
}

/* `name` is the program's, its arguments begin at `first`. */
static void name_program(const char *name, const struct arguments *args, size_t first,
			 char ret[PROGRAM_NAME_SIZE])
{
	char text[2 * PROGRAM_NAME_SIZE];
	const char *application = NULL;

	if (strcmp(name, "bundle") == 0 && first + 1 < args->count &&
	    strcmp(args->word[first], "exec") == 0)
		name = path_base(args->word[first + 1]);
	else if (interpreter_word(name, positional_servers))
		application = find_positional(args, first);
	else if (interpreter_word(name, option_servers))
		application = find_named(args, first);
	if (!application)
		application = "";
	/* "module:create('postgres://...')": what it is called with may be secret. */
	snprintf(text, sizeof(text), "%s%s%.*s", name, application[0] ? " " : "",
		 (int)strcspn(application, "("), application);
	utf8_copy(ret, PROGRAM_NAME_SIZE, text);
}

/* "/srv/shop/__main__.py" is "shop": the file's own name says nothing. */
static const char *script_name(const char *script, char *room, size_t size)
{
	const char *name = path_base(script);
	const char *end = name - 1;
	const char *begin = end;

	if (strcmp(name, "__main__.py") != 0 || name - script < 2)
		return name;
	while (begin > script && begin[-1] != '/')
		begin--;
	if (begin == end || begin[0] == '.')
		return name;
	snprintf(room, size, "%.*s", (int)(end - begin), begin);
	return room;
}

/* gunicorn, where it may, writes its application into its title. */
static bool name_by_title(const struct arguments *args, char ret[PROGRAM_NAME_SIZE])
{
	const char *open = args->count ? strchr(args->word[0], '[') : NULL;
	char text[PROGRAM_NAME_SIZE];

	if (!open || strncmp(args->word[0], "gunicorn: ", 10) != 0)
		return false;
	snprintf(text, sizeof(text), "gunicorn %.*s", (int)strcspn(open + 1, "(]"), open + 1);
	utf8_copy(ret, PROGRAM_NAME_SIZE, text);
	return true;
}

/*
 * The first word of a title that was written over the arguments of an interpreter: "puma" of
 * "puma 6.4.2 (tcp://0.0.0.0:3000) [shop]"; or of the name that its process was given.
 */
static void name_by_first_word(const struct arguments *args, char ret[PROGRAM_NAME_SIZE])
{
	const char *word = args->count ? args->word[0] : "";
	char text[PROGRAM_NAME_SIZE];
	size_t size;

	word += word[0] == '['; /* "[celeryd: worker@host]" */
	size = strcspn(word, " :[(");
	snprintf(text, sizeof(text), "%.*s", (int)size, word);
	if (isalpha((unsigned char)word[0]) && strcspn(word, "/=@?&") >= size &&
	    !interpreter_find(text))
		utf8_copy(ret, PROGRAM_NAME_SIZE, text);
}

/* Where the arguments of a program started by its own name begin: a script's follow its path. */
static size_t find_first(const char *name, const struct arguments *args)
{
	size_t i;

	for (i = 0; i < args->count && i < 3; i++)
		if (strcmp(path_base(args->word[i]), name) == 0)
			return i + 1;
	return args->count ? 1 : 0;
}

enum program_kind program_name(const char *started_as, const char *args, size_t size,
			       char ret[PROGRAM_NAME_SIZE])
{
	const char *name = path_base(started_as);
	const struct interpreter *interpreter = interpreter_find(name);
	const char *script = NULL;
	char room[PROGRAM_NAME_SIZE];
	struct arguments words;
	bool code = false;
	size_t at = 1;

	split(args, size, &words);
	if (name_by_title(&words, ret))
		return PROGRAM_OWN;
	if (interpreter && interpreter_is_loader(interpreter)) {
		script = interpreter_script(interpreter, &words, &at, &code);
		name = script ? path_base(script) : name;
		interpreter = script ? interpreter_find(name) : NULL;
	} else if (!interpreter) {
		at = find_first(name, &words);
	}
	if (!interpreter) {
		name_program(name, &words, at, ret);
		return PROGRAM_OWN;
	}
	utf8_copy(ret, PROGRAM_NAME_SIZE, name);
	if (is_worker(&words))
		return PROGRAM_WORKER;
	script = interpreter_script(interpreter, &words, &at, &code);
	if (script && script[0])
		name_program(script_name(script, room, sizeof(room)), &words, at, ret);
	if (code || (script && script[0]))
		return PROGRAM_OWN;
	name_by_first_word(&words, ret);
	return PROGRAM_UNNAMED;
}
