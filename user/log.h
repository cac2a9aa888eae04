/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log lines: one JSON object per line on standard error. Written by the wiring only (main, loop,
 * capture's set-up); libraries return errors instead. Event-loop thread only. Nobody waits for who
 * reads the log: the last LOG_RECENT lines are kept until there is room.
 *
 *	log_info("onlooker.capture", "attached with %s", backend);
 *	log_warning_with("onlooker.config", LOG_EXTRA(LOG_TEXT("file", path)), "kept: %s", why);
 */
#ifndef ONLOOKER_LOG_H
#define ONLOOKER_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level {
	LOG_LEVEL_DEBUG = 0,
	LOG_LEVEL_INFO,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_ERROR,
	LOG_LEVEL_CRITICAL,
};

/* One member of "extra": a text, or a number where text is NULL. A list ends with key NULL. */
struct log_extra {
	const char *key;
	const char *text;
	int64_t number;
};

#define LOG_TEXT(key_, text_) { .key = (key_), .text = (text_) }
#define LOG_NUMBER(key_, number_) { .key = (key_), .number = (int64_t)(number_) }
#define LOG_EXTRA(...) ((const struct log_extra[]){ __VA_ARGS__, { .key = NULL } })

/* Lines below `level` are dropped from now on; LOG_LEVEL_INFO at first. */
void log_set_level(enum log_level level);

/*
 * Writes one line. `extra` may be NULL. Texts may hold any bytes: control characters are escaped,
 * invalid UTF-8 becomes U+FFFD, and what is longer than a line may be (4 KiB) is cut.
 */
void log_write(enum log_level level, const char *logger, const char *file, int line,
	       const struct log_extra *extra, const char *format, ...)
	__attribute__((format(printf, 6, 7)));

#define log_at(level, logger, extra, ...) \
	log_write(level, logger, __FILE__, __LINE__, extra, __VA_ARGS__)
#define log_debug(logger, ...) log_at(LOG_LEVEL_DEBUG, logger, NULL, __VA_ARGS__)
#define log_info(logger, ...) log_at(LOG_LEVEL_INFO, logger, NULL, __VA_ARGS__)
#define log_warning(logger, ...) log_at(LOG_LEVEL_WARNING, logger, NULL, __VA_ARGS__)
#define log_error(logger, ...) log_at(LOG_LEVEL_ERROR, logger, NULL, __VA_ARGS__)
#define log_critical(logger, ...) log_at(LOG_LEVEL_CRITICAL, logger, NULL, __VA_ARGS__)
#define log_info_with(logger, extra, ...) log_at(LOG_LEVEL_INFO, logger, extra, __VA_ARGS__)
#define log_warning_with(logger, extra, ...) log_at(LOG_LEVEL_WARNING, logger, extra, __VA_ARGS__)
#define log_error_with(logger, extra, ...) log_at(LOG_LEVEL_ERROR, logger, extra, __VA_ARGS__)

#define LOG_RECENT 16 /* lines kept */

/*
 * While held, nothing is written: a live table owns the terminal. Released, the lines written in
 * the meantime appear on standard error, the last LOG_RECENT of them.
 */
void log_hold(bool hold);

/* Writes what is kept, as far as there is room now, and tells of lines that were lost. */
void log_flush(void);

/*
 * The line written `back` lines ago (0: the newest) in short form, "10:30:45 WARNING text", or NULL
 * where there is none. Good until the next log_write(). Escaped: safe to show on a terminal.
 */
const char *log_recent(size_t back);

#endif
