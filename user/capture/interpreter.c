/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/interpreter.h"

#include <ctype.h>
#include <string.h>

/*
 * How an interpreter reads its options, up to the script. One-letter options may be joined
 * ("-um MODULE"); a value follows its letter at once or as the next argument.
 */
struct interpreter {
	const char *name;	  /* a version may follow */
	const char *values;	  /* letters with a value */
	const char *attached;	  /* letters whose value, if any, is the rest of the argument */
	const char *numbered;	  /* letters that a number may follow, and then others; or NULL */
	const char *code;	  /* letters after which there is no script */
	const char *script;	  /* letters whose value is the script or module */
	bool whole;		  /* no joined letters: an option is a word */
	const char *const *words; /* whole words with a value; ends with NULL */
	const char *const *script_words; /* whole words whose value is the script */
	const char *const *commands;	 /* words in front of the script that are not it */
	const char *const *code_words;	 /* whole words after which there is no script; or NULL */
};

static const char *const no_words[] = { NULL };
static const char *const python_words[] = { "--check-hash-based-pycs", NULL };
static const char *const node_words[] = { "--require",
					  "--import",
					  "--loader",
					  "--conditions",
					  "--env-file",
					  "--experimental-loader",
					  "--watch-path",
					  "--title",
					  "--input-type",
					  "--icu-data-dir",
					  "--redirect-warnings",
					  NULL };
static const char *const java_words[] = { "-cp",
					  "-classpath",
					  "--class-path",
					  "-p",
					  "--module-path",
					  "--add-modules",
					  "--add-opens",
					  "--add-exports",
					  "--add-reads",
					  "--patch-module",
					  "--limit-modules",
					  "--source",
					  "--upgrade-module-path",
					  NULL };
static const char *const java_scripts[] = { "-jar", "-m", "--module", NULL };
static const char *const shell_words[] = { "--rcfile", "--init-file", NULL };
static const char *const php_words[] = { "--define", "--php-ini", "--docroot", "--server", NULL };
static const char *const php_scripts[] = { "--file", NULL };
static const char *const deno_commands[] = { "run", "serve", NULL };
static const char *const deno_code[] = { "eval", NULL };
static const char *const bun_code[] = { "-e", "-p", NULL };
static const char *const dotnet_commands[] = { "exec", NULL };
static const char *const loader_words[] = { "--library-path", "--preload",	 "--argv0",
					    "--audit",	      "--inhibit-rpath", NULL };

#define SHELL(name_)                \
	{ .name = (name_),          \
	  .values = "oO",           \
	  .attached = "",           \
	  .code = "cs",             \
	  .script = "",             \
	  .words = shell_words,     \
	  .script_words = no_words, \
	  .commands = no_words }
#define PYTHON(name_)               \
	{ .name = (name_),          \
	  .values = "WXQ",          \
	  .attached = "",           \
	  .code = "c",              \
	  .script = "m",            \
	  .words = python_words,    \
	  .script_words = no_words, \
	  .commands = no_words }
#define NODE(name_)                 \
	{ .name = (name_),          \
	  .values = "rC",           \
	  .attached = "",           \
	  .code = "ep",             \
	  .script = "",             \
	  .words = node_words,      \
	  .script_words = no_words, \
	  .commands = no_words }

static const struct interpreter interpreters[] = {
	PYTHON("python"),
	PYTHON("pypy"),
	NODE("node"),
	NODE("nodejs"),
	SHELL("bash"),
	SHELL("sh"),
	SHELL("dash"),
	SHELL("ash"),
	SHELL("ksh"),
	SHELL("mksh"),
	SHELL("zsh"),
	{ .name = "ruby",
	  .values = "ICrE",
	  .attached = "FKxi",
	  .numbered = "TW0",
	  .code = "e",
	  .script = "",
	  .words = no_words,
	  .script_words = no_words,
	  .commands = no_words },
	{ .name = "perl",
	  .values = "I",
	  .attached = "MmiFxdDVC",
	  .numbered = "l0",
	  .code = "eE",
	  .script = "",
	  .words = no_words,
	  .script_words = no_words,
	  .commands = no_words },
	{ .name = "php",
	  .values = "dctSz",
	  .attached = "",
	  .code = "rRBE",
	  .script = "fF",
	  .words = php_words,
	  .script_words = php_scripts,
	  .commands = no_words },
	{ .name = "lua",
	  .values = "l",
	  .attached = "",
	  .code = "e",
	  .script = "",
	  .words = no_words,
	  .script_words = no_words,
	  .commands = no_words },
	{ .name = "luajit",
	  .values = "lj",
	  .attached = "bO",
	  .code = "e",
	  .script = "",
	  .words = no_words,
	  .script_words = no_words,
	  .commands = no_words },
	{ .name = "java",
	  .whole = true,
	  .words = java_words,
	  .script_words = java_scripts,
	  .commands = no_words },
	{ .name = "deno",
	  .whole = true,
	  .words = no_words,
	  .script_words = no_words,
	  .commands = deno_commands,
	  .code_words = deno_code },
	{ .name = "bun",
	  .whole = true,
	  .words = no_words,
	  .script_words = no_words,
	  .commands = deno_commands,
	  .code_words = bun_code },
	{ .name = "dotnet",
	  .whole = true,
	  .words = no_words,
	  .script_words = no_words,
	  .commands = dotnet_commands },
	{ .name = "mono",
	  .whole = true,
	  .words = no_words,
	  .script_words = no_words,
	  .commands = no_words },
};

/* The dynamic loader, run by hand: what it loads is the program. */
static const struct interpreter loader = { .name = "ld",
					   .whole = true,
					   .words = loader_words,
					   .script_words = no_words,
					   .commands = no_words };

bool interpreter_word(const char *text, const char *const *words)
{
	for (; *words; words++)
		if (strcmp(text, *words) == 0)
			return true;
	return false;
}

const struct interpreter *interpreter_find(const char *name)
{
	size_t i;

	if ((strncmp(name, "ld-linux", 8) == 0 || strncmp(name, "ld-musl-", 8) == 0) &&
	    strstr(name, ".so"))
		return &loader;
	for (i = 0; i < sizeof(interpreters) / sizeof(interpreters[0]); i++) {
		const char *rest = name + strlen(interpreters[i].name);

		if (strncmp(name, interpreters[i].name, (size_t)(rest - name)) != 0)
			continue;
		/* python3.13t, python3.7m, perl5.36.0; not php-fpm, nor nodemon */
		if (!*rest || (isdigit((unsigned char)*rest) &&
			       rest[strspn(rest, "0123456789.tdmu")] == '\0'))
			return &interpreters[i];
	}
	return NULL;
}

bool interpreter_is_loader(const struct interpreter *interpreter)
{
	return interpreter == &loader;
}

enum option {
	OPTION_ALONE,	    /* the next argument is read as an option again */
	OPTION_VALUE,	    /* the next argument is its value */
	OPTION_CODE,	    /* no script */
	OPTION_SCRIPT,	    /* the next argument is the script */
	OPTION_SCRIPT_HERE, /* *rest is the script */
};

static enum option read_letters(const struct interpreter *interpreter, const char *word,
				const char **rest)
{
	const char *letter;

	for (letter = word + 1; *letter; letter++) {
		if (strchr(interpreter->code, *letter))
			return OPTION_CODE;
		if (strchr(interpreter->script, *letter)) {
			*rest = letter + 1;
			return letter[1] ? OPTION_SCRIPT_HERE : OPTION_SCRIPT;
		}
		if (strchr(interpreter->values, *letter))
			return letter[1] ? OPTION_ALONE : OPTION_VALUE;
		if (strchr(interpreter->attached, *letter))
			return OPTION_ALONE;
		if (!interpreter->numbered || !strchr(interpreter->numbered, *letter))
			continue;
		if (letter[1] == ':') /* Ruby's -W:no-experimental */
			return OPTION_ALONE;
		letter += strspn(letter + 1, "0123456789");
	}
	return OPTION_ALONE;
}

static bool is_code_word(const struct interpreter *interpreter, const char *word)
{
	return interpreter->code_words && interpreter_word(word, interpreter->code_words);
}

static enum option read_option(const struct interpreter *interpreter, const char *word,
			       const char **rest)
{
	if (interpreter_word(word, interpreter->script_words))
		return OPTION_SCRIPT;
	if (interpreter_word(word, interpreter->words))
		return OPTION_VALUE;
	if (strcmp(word, "--eval") == 0 || strcmp(word, "--print") == 0 ||
	    is_code_word(interpreter, word))
		return OPTION_CODE;
	if (interpreter->whole || word[1] == '-')
		return OPTION_ALONE;
	return read_letters(interpreter, word, rest);
}

/*
 * A call of a function in it, though no option known here says that this is code: it must not get
 * to where names are shown.
 */
static bool is_code(const char *word)
{
	const char *call = strchr(word, '(');

	while (call && !(call > word && (isalnum((unsigned char)call[-1]) || call[-1] == '_')))
		call = strchr(call + 1, '(');
	return call;
}

const char *interpreter_script(const struct interpreter *interpreter, const struct arguments *args,
			       size_t *at, bool *ret_code)
{
	bool options = true;
	const char *rest = NULL;
	size_t i;

	*ret_code = false;
	for (i = *at; i < args->count; i++) {
		const char *word = args->word[i];

		*at = i + 1;
		if (strcmp(word, "-") == 0)
			return NULL;
		if (!options || (word[0] != '-' && word[0] != '+')) {
			if (interpreter_word(word, interpreter->commands))
				continue;
			*ret_code = is_code(word) || is_code_word(interpreter, word);
			return *ret_code ? NULL : word;
		}
		if (strcmp(word, "--") == 0) {
			options = false;
			continue;
		}
		switch (read_option(interpreter, word, &rest)) {
		case OPTION_ALONE:
			break;
		case OPTION_VALUE:
			i++;
			break;
		case OPTION_CODE:
			*ret_code = true;
			return NULL;
		case OPTION_SCRIPT:
			*at = i + 2;
			return i + 1 < args->count ? args->word[i + 1] : NULL;
		case OPTION_SCRIPT_HERE:
			return rest;
		}
	}
	return NULL;
}
