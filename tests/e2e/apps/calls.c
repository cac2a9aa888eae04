/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP exchanges by every form of call that moves bytes through a stream socket.
 *
 *	calls serve 4|6|u ADDRESS		until SIGTERM; prints "ready"
 *	calls ask 4|6|u ADDRESS COUNT		each form COUNT times, on one connection
 *	calls upload 4|6|u ADDRESS COUNT	large bodies, the end of each in one sendmmsg() with
 *						the next request; COUNT of each, on one connection
 *
 * The path of a request, /SEND-RECEIVE, names the forms, for both ends.
 */
#include <arpa/inet.h>
#include <err.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#define BODY 3000
#define LARGE_BODY 200000
#define PIECES 16

struct form {
	const char *name;
	void (*send)(int fd, char *head, size_t head_size, char *body);
	/* As read(): at most `size` bytes. */
	ssize_t (*receive)(int fd, char *data, size_t size);
};

static void must(int fd, ssize_t moved, size_t wanted)
{
	if (moved < 0 || (size_t)moved != wanted)
		err(1, "socket %d: moved %zd of %zu", fd, moved, wanted);
}

/* ---- sending ---- */

static char *join(char *head, size_t head_size, char *body)
{
	static char whole[8192];

	memcpy(whole, head, head_size);
	memcpy(whole + head_size, body, BODY);
	return whole;
}

static void by_write(int fd, char *head, size_t n, char *body)
{
	must(fd, write(fd, join(head, n, body), n + BODY), n + BODY);
}

static void by_send(int fd, char *head, size_t n, char *body)
{
	must(fd, send(fd, join(head, n, body), n + BODY, 0), n + BODY);
}

static void by_sendto(int fd, char *head, size_t n, char *body)
{
	must(fd, sendto(fd, join(head, n, body), n + BODY, MSG_NOSIGNAL, NULL, 0), n + BODY);
}

static void by_writev(int fd, char *head, size_t n, char *body)
{
	struct iovec parts[] = { { head, 3 }, { head + 3, n - 3 }, { body, 0 }, { body, BODY } };

	must(fd, writev(fd, parts, 4), n + BODY);
}

/* Many pieces, of which the head takes the most. */
static void by_pieces(int fd, char *head, size_t n, char *body)
{
	struct iovec parts[PIECES];
	size_t i;

	for (i = 0; i < PIECES - 1; i++)
		parts[i] = (struct iovec){ head + i, 1 };
	parts[PIECES - 2].iov_len = n - (PIECES - 2);
	parts[PIECES - 1] = (struct iovec){ body, BODY };
	must(fd, writev(fd, parts, PIECES), n + BODY);
}

static void by_sendmsg(int fd, char *head, size_t n, char *body)
{
	struct iovec parts[] = { { head, n }, { body, BODY } };
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };

	must(fd, sendmsg(fd, &message, 0), n + BODY);
}

/* In three messages, of which one has no bytes; the first is as long as what receive() peeks at. */
static void by_sendmmsg(int fd, char *head, size_t n, char *body)
{
	struct iovec parts[] = { { head, 70 }, { head + 70, n - 70 }, { body, BODY } };
	struct mmsghdr messages[] = {
		{ .msg_hdr = { .msg_iov = &parts[0], .msg_iovlen = 1 } },
		{ .msg_hdr = { .msg_iov = NULL, .msg_iovlen = 0 } },
		{ .msg_hdr = { .msg_iov = &parts[1], .msg_iovlen = 2 } },
	};

	must(fd, sendmmsg(fd, messages, 3, 0), 3);
	must(fd, messages[0].msg_len + messages[2].msg_len, n + BODY);
}

static void by_more(int fd, char *head, size_t n, char *body)
{
	must(fd, send(fd, head, n, MSG_MORE), n);
	must(fd, send(fd, body, BODY, 0), BODY);
}

/* The body of a file, behind a head that is written. */
static void by_sendfile(int fd, char *head, size_t n, char *body)
{
	int file = memfd_create("body", 0);
	off_t from = 0;

	must(file, write(file, body, BODY), BODY);
	must(fd, write(fd, head, n), n);
	must(fd, sendfile(fd, file, &from, BODY), BODY);
	close(file);
}

/* The body from a pipe. */
static void by_splice(int fd, char *head, size_t n, char *body)
{
	int ends[2];

	if (pipe(ends) < 0)
		err(1, "pipe");
	must(ends[1], write(ends[1], body, BODY), BODY);
	must(fd, write(fd, head, n), n);
	must(fd, splice(ends[0], NULL, fd, NULL, BODY, 0), BODY);
	close(ends[0]);
	close(ends[1]);
}

/* ---- receiving ---- */

static ssize_t to_read(int fd, char *data, size_t size)
{
	return read(fd, data, size);
}

static ssize_t to_readv(int fd, char *data, size_t size)
{
	struct iovec parts[] = { { data, 5 }, { data + 5, 0 }, { data + 5, size - 5 } };

	return size < 5 ? read(fd, data, size) : readv(fd, parts, 3);
}

static ssize_t to_recv(int fd, char *data, size_t size)
{
	return recv(fd, data, size, 0);
}

static ssize_t to_recvfrom(int fd, char *data, size_t size)
{
	struct sockaddr_storage from;
	socklen_t from_size = sizeof(from);

	return recvfrom(fd, data, size, 0, (struct sockaddr *)&from, &from_size);
}

static ssize_t to_recvmsg(int fd, char *data, size_t size)
{
	char control[256];
	struct iovec part = { data, size };
	struct msghdr message = { .msg_iov = &part,
				  .msg_iovlen = 1,
				  .msg_control = control,
				  .msg_controllen = sizeof(control) };

	return recvmsg(fd, &message, 0);
}

static ssize_t to_recvmmsg(int fd, char *data, size_t size)
{
	struct iovec parts[] = { { data, 10 }, { data + 10, size - 10 } };
	struct mmsghdr messages[] = {
		{ .msg_hdr = { .msg_iov = &parts[0], .msg_iovlen = 1 } },
		{ .msg_hdr = { .msg_iov = &parts[1], .msg_iovlen = 1 } },
	};
	int n;

	if (size < 11)
		return read(fd, data, size);
	n = recvmmsg(fd, messages, 2, MSG_WAITFORONE, NULL);
	/* Only a full first part is followed by another. */
	return n < 1 ? n : n == 1 ? messages[0].msg_len : messages[0].msg_len + messages[1].msg_len;
}

/* Looks twice before it takes. */
static ssize_t to_peek(int fd, char *data, size_t size)
{
	if (recv(fd, data, size, MSG_PEEK) <= 0 || recv(fd, data, size / 2, MSG_PEEK) <= 0)
		return 0;
	return recv(fd, data, size, 0);
}

/* Exact lengths, waited for; the first byte alone. */
static ssize_t to_waitall(int fd, char *data, size_t size)
{
	return recv(fd, data, size > BODY ? 20 : size, MSG_WAITALL);
}

static ssize_t to_single(int fd, char *data, size_t size)
{
	(void)size;
	return read(fd, data, 1);
}

/* Bytes that are received as a body, through a pipe. */
static ssize_t to_splice(int fd, char *data, size_t size)
{
	int ends[2];
	ssize_t n;

	if (size > BODY) /* a head */
		return read(fd, data, 1);
	if (pipe(ends) < 0)
		err(1, "pipe");
	n = splice(fd, NULL, ends[1], NULL, size, 0);
	if (n > 0)
		must(ends[0], read(ends[0], data, (size_t)n), (size_t)n);
	close(ends[0]);
	close(ends[1]);
	return n;
}

static const struct form forms[] = {
	{ "write", by_write, to_read },	       { "writev", by_writev, to_readv },
	{ "send", by_send, to_recv },	       { "sendto", by_sendto, to_recvfrom },
	{ "sendmsg", by_sendmsg, to_recvmsg }, { "sendmmsg", by_sendmmsg, to_recvmmsg },
	{ "peek", by_write, to_peek },	       { "waitall", by_write, to_waitall },
	{ "pieces", by_pieces, to_read },      { "more", by_more, to_single },
	{ "sendfile", by_sendfile, to_read },  { "splice", by_splice, to_splice },
};

#define FORMS (sizeof(forms) / sizeof(forms[0]))

/* ---- HTTP ---- */

/*
 * A message and no byte more; false at the end of the connection. `form` is NULL at first: the
 * request's own path then says how the rest is read, which is why its first bytes are peeked at.
 */
static int receive(int fd, const struct form *form, char *path)
{
	static char data[LARGE_BODY + 16384];
	size_t size = 0, need = sizeof(data) - 1;
	size_t i, body;
	char *end, *length;

	if (!form) {
		char name[32] = "";

		if (recv(fd, data, 64, MSG_PEEK | MSG_WAITALL) < 64)
			return 0;
		data[64] = '\0';
		if (sscanf(data, "POST /%31[a-z] ", name) != 1)
			errx(1, "not a request: %s", data);
		strcpy(path, name);
		for (i = 0; i < FORMS; i++)
			if (strcmp(forms[i].name, name) == 0)
				form = &forms[i];
		if (!form)
			errx(1, "no such form: %s", name);
	}
	while (size < need) {
		ssize_t n = form->receive(fd, data + size, need - size);

		if (n <= 0)
			errx(1, "%s: ended early", form->name);
		size += (size_t)n;
		data[size] = '\0';
		end = need == sizeof(data) - 1 ? strstr(data, "\r\n\r\n") : NULL;
		length = end ? strstr(data, "Content-Length: ") : NULL;
		if (length && sscanf(length, "%*s %zu", &body) == 1)
			need = (size_t)(end - data) + 4 + body;
	}
	if (size != need)
		errx(1, "%s: too much", form->name);
	return 1;
}

static const struct form *find(const char *name)
{
	size_t i;

	for (i = 0; i < FORMS; i++)
		if (strcmp(forms[i].name, name) == 0)
			return &forms[i];
	return NULL;
}

static size_t write_head(char head[256], const char *first, int body)
{
	return (size_t)snprintf(head, 256, "%s\r\nContent-Length: %d\r\nX-Padding: %064d\r\n\r\n",
				first, body, 0);
}

static void transmit(int fd, const struct form *form, const char *first)
{
	char head[256], body[BODY];
	size_t n = write_head(head, first, BODY);

	memset(body, 'b', sizeof(body));
	form->send(fd, head, n, body);
}

static void serve(int fd)
{
	char path[32];

	while (receive(fd, NULL, path))
		transmit(fd, find(path), "HTTP/1.1 200 OK");
	close(fd);
}

static void ask(int fd, int count)
{
	char first[128];
	size_t i;
	int n;

	for (i = 0; i < FORMS; i++) {
		for (n = 0; n < count; n++) {
			snprintf(first, sizeof(first), "POST /%s HTTP/1.1\r\nHost: e2e",
				 forms[i].name);
			transmit(fd, &forms[i], first);
			receive(fd, &forms[i], NULL);
		}
	}
}

/* After a while the observer takes no more of the body; only the head behind it. */
static void upload(int fd, int count)
{
	static char body[LARGE_BODY];
	const char *first = "POST /waitall HTTP/1.1\r\nHost: e2e"; /* not a byte too many */
	char head[256];
	struct iovec parts[] = { { body, LARGE_BODY / 2 }, { head, 0 }, { body, BODY } };
	struct mmsghdr messages[] = {
		{ .msg_hdr = { .msg_iov = &parts[0], .msg_iovlen = 1 } },
		{ .msg_hdr = { .msg_iov = &parts[1], .msg_iovlen = 1 } },
		{ .msg_hdr = { .msg_iov = &parts[2], .msg_iovlen = 1 } },
	};
	size_t n;

	memset(body, 'b', sizeof(body));
	while (count-- > 0) {
		n = write_head(head, first, LARGE_BODY);
		must(fd, send(fd, head, n, 0), n);
		must(fd, send(fd, body, LARGE_BODY / 2, 0), LARGE_BODY / 2);
		usleep(50000);
		parts[1].iov_len = write_head(head, first, BODY);
		must(fd, sendmmsg(fd, messages, 3, 0), 3);
		receive(fd, find("waitall"), NULL);
		receive(fd, find("waitall"), NULL);
	}
}

static socklen_t address(const char *family, const char *text, struct sockaddr_storage *ret)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)ret;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;
	struct sockaddr_un *local = (struct sockaddr_un *)ret;

	memset(ret, 0, sizeof(*ret));
	if (family[0] == '4') {
		v4->sin_family = AF_INET;
		v4->sin_port = htons((uint16_t)atoi(text));
		v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		return sizeof(*v4);
	}
	if (family[0] == '6') {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons((uint16_t)atoi(text));
		v6->sin6_addr = in6addr_loopback;
		return sizeof(*v6);
	}
	local->sun_family = AF_UNIX;
	snprintf(local->sun_path, sizeof(local->sun_path), "%s", text);
	return sizeof(*local);
}

int main(int argc, char **argv)
{
	struct sockaddr_storage where;
	int one = 1;
	socklen_t size;
	int fd;

	if (argc < 4)
		errx(2, "usage: calls serve|ask|upload 4|6|u ADDRESS [COUNT]");
	size = address(argv[2], argv[3], &where);
	fd = socket(where.ss_family, SOCK_STREAM, 0);
	if (strcmp(argv[1], "serve") != 0) {
		if (connect(fd, (struct sockaddr *)&where, size) < 0)
			err(1, "connect");
		(strcmp(argv[1], "ask") == 0 ? ask : upload)(fd, atoi(argv[4]));
		return 0;
	}
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&where, size) < 0 || listen(fd, 5) < 0)
		err(1, "listen");
	printf("ready\n");
	fflush(stdout);
	for (;;)
		serve(accept(fd, NULL, NULL));
}
