/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A Redis client whose calls are made through io_uring.
 *
 *	uring PORT FORM ROUNDS DEPTH	ROUNDS batches of DEPTH times SET and GET, on one connection
 *
 * It connects through the ring, too. Exit status 3: this kernel or limit does not allow the form.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <liburing.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define ROOM 65536 /* of a batch, or what is answered to it */
#define PIECE 4096
#define PIECES 32
#define CANNOT 3

#define SET "*3\r\n$3\r\nSET\r\n$5\r\nuring\r\n$5\r\nvalue\r\n"
#define GET "*2\r\n$3\r\nGET\r\n$5\r\nuring\r\n"
#define ANSWERS "+OK\r\n$5\r\nvalue\r\n"
#define PING "*1\r\n$4\r\nPING\r\n"
#define PONG "+PONG\r\n"

enum way {
	BY_CALL, /* not through the ring */
	BY_SEND,
	BY_WRITE,
	BY_MESSAGE,
	BY_FIXED, /* registered buffers */
	BY_ZERO_COPY,
	BY_ZERO_COPY_FIXED,
	BY_MULTISHOT, /* one request that goes on; the kernel picks the buffer */
};

struct form {
	const char *name;
	enum way send, receive;
	unsigned int setup; /* IORING_SETUP_* */
	unsigned int flags; /* IOSQE_* of the requests */
	bool beside;	    /* what is received is completed while plain calls are made elsewhere */
};

static const struct form forms[] = {
	{ "send", BY_SEND, BY_SEND, 0, 0, false },
	{ "write", BY_WRITE, BY_WRITE, 0, 0, false },
	{ "message", BY_MESSAGE, BY_MESSAGE, 0, 0, false },
	{ "fixed", BY_FIXED, BY_FIXED, 0, 0, false },
	{ "zerocopy", BY_ZERO_COPY, BY_SEND, 0, 0, false },
	{ "zerocopy-fixed", BY_ZERO_COPY_FIXED, BY_FIXED, 0, 0, false },
	{ "multishot", BY_SEND, BY_MULTISHOT, 0, 0, false },
	{ "worker", BY_SEND, BY_SEND, 0, IOSQE_ASYNC, false },
	{ "sqpoll", BY_SEND, BY_SEND, IORING_SETUP_SQPOLL, 0, false },
	{ "sqpoll-fixed", BY_FIXED, BY_FIXED, IORING_SETUP_SQPOLL, 0, false },
	{ "send-only", BY_SEND, BY_CALL, 0, 0, false },
	{ "receive-only", BY_CALL, BY_SEND, 0, 0, false },
	{ "beside", BY_CALL, BY_SEND, 0, 0, true },
};

enum kind { CALL, MULTISHOT }; /* what a request's user_data says */

struct result {
	int moved; /* or -errno */
	unsigned int flags;
};

static struct io_uring ring;
static const struct form *form;
static bool armed;		    /* BY_MULTISHOT */
static struct result early[PIECES]; /* of it, while another call's result was waited for */
static size_t early_count;
static char out[ROOM], in[ROOM], pieces[PIECES][PIECE];

static void must(int result, const char *what)
{
	if (result == -EINVAL || result == -EOPNOTSUPP || result == -ENOMEM || result == -EPERM)
		exit(CANNOT);
	if (result < 0)
		errx(1, "%s: %s", what, strerror(-result));
}

static struct io_uring_sqe *request(void)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

	if (!sqe)
		errx(1, "the ring is full");
	return sqe;
}

/* What came of a call of that kind; the others' results wait. Notices that a buffer is free again
 * are none. */
static struct result result_of(enum kind kind, const char *what)
{
	struct io_uring_cqe *cqe;
	struct result result;
	enum kind found;

	if (kind == MULTISHOT && early_count) {
		result = early[0];
		memmove(early, early + 1, --early_count * sizeof(early[0]));
		return result;
	}
	for (;;) {
		must(io_uring_wait_cqe(&ring, &cqe), what);
		result = (struct result){ cqe->res, cqe->flags };
		found = cqe->user_data;
		io_uring_cqe_seen(&ring, cqe);
		if (result.flags & IORING_CQE_F_NOTIF)
			continue;
		if (found == kind)
			return result;
		if (early_count == PIECES)
			errx(1, "%s: too many results", what);
		early[early_count++] = result;
	}
}

static int done(struct io_uring_sqe *sqe, const char *what)
{
	struct result result;

	sqe->flags |= form->flags;
	sqe->user_data = CALL;
	must(io_uring_submit(&ring), "submit");
	result = result_of(CALL, what);
	must(result.moved, what);
	return result.moved;
}

static int transmit(int fd, size_t from, size_t size)
{
	size_t half = size / 2;
	struct iovec parts[] = { { out + from, half }, { out + from + half, size - half } };
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };
	struct io_uring_sqe *sqe;

	if (form->send == BY_CALL)
		return (int)send(fd, out + from, size, 0);
	sqe = request();
	if (form->send == BY_WRITE)
		io_uring_prep_write(sqe, fd, out + from, (unsigned int)size, 0);
	else if (form->send == BY_MESSAGE)
		io_uring_prep_sendmsg(sqe, fd, &message, 0);
	else if (form->send == BY_FIXED)
		io_uring_prep_write_fixed(sqe, fd, out + from, (unsigned int)size, 0, 0);
	else if (form->send == BY_ZERO_COPY)
		io_uring_prep_send_zc(sqe, fd, out + from, size, 0, 0);
	else if (form->send == BY_ZERO_COPY_FIXED)
		io_uring_prep_send_zc_fixed(sqe, fd, out + from, size, 0, 0, 0);
	else
		io_uring_prep_send(sqe, fd, out + from, size, 0);
	return done(sqe, "send");
}

/* Hands the buffers that the kernel fills, or one of them again. */
static void provide(unsigned int first, int count)
{
	struct io_uring_sqe *sqe = request();
	struct result result;

	io_uring_prep_provide_buffers(sqe, pieces[first], PIECE, count, 0, (int)first);
	sqe->user_data = CALL;
	must(io_uring_submit(&ring), "submit");
	result = result_of(CALL, "buffers");
	must(result.moved, "buffers");
}

static int receive_next(int fd, size_t at)
{
	struct result result;
	unsigned int piece;

	if (!armed) {
		struct io_uring_sqe *sqe = request();

		io_uring_prep_recv_multishot(sqe, fd, NULL, 0, 0);
		sqe->flags |= IOSQE_BUFFER_SELECT;
		sqe->user_data = MULTISHOT;
		must(io_uring_submit(&ring), "submit");
	}
	result = result_of(MULTISHOT, "multishot");
	armed = result.flags & IORING_CQE_F_MORE;
	if (result.moved == -ENOBUFS) {
		provide(0, PIECES);
		return receive_next(fd, at);
	}
	must(result.moved, "multishot");
	piece = result.flags >> IORING_CQE_BUFFER_SHIFT;
	if ((size_t)result.moved > ROOM - at)
		errx(1, "too much");
	memcpy(in + at, pieces[piece], (size_t)result.moved);
	return result.moved;
}

static struct io_uring_sqe *prepare_receive(int fd, size_t at)
{
	static struct iovec part;
	static struct msghdr message;
	struct io_uring_sqe *sqe = request();
	unsigned int room = (unsigned int)(ROOM - at);

	if (form->receive == BY_WRITE) {
		io_uring_prep_read(sqe, fd, in + at, room, 0);
	} else if (form->receive == BY_MESSAGE) {
		part = (struct iovec){ in + at, room };
		message = (struct msghdr){ .msg_iov = &part, .msg_iovlen = 1 };
		io_uring_prep_recvmsg(sqe, fd, &message, 0);
	} else if (form->receive == BY_FIXED) {
		io_uring_prep_read_fixed(sqe, fd, in + at, room, 0, 1);
	} else {
		io_uring_prep_recv(sqe, fd, in + at, room, 0);
	}
	return sqe;
}

static int receive(int fd, size_t at)
{
	if (form->receive == BY_CALL)
		return (int)recv(fd, in + at, ROOM - at, 0);
	if (form->receive == BY_MULTISHOT)
		return receive_next(fd, at);
	return done(prepare_receive(fd, at), "receive");
}

/* An exchange by plain calls. */
static void ping(int fd)
{
	char answer[16];

	if (send(fd, PING, strlen(PING), 0) != (ssize_t)strlen(PING) ||
	    recv(fd, answer, strlen(PONG), MSG_WAITALL) != (ssize_t)strlen(PONG))
		err(1, "ping");
}

/* The ring waits for the answer already when the batch is sent; it comes during other calls. */
static void exchange_beside(int fd, int other, size_t size, size_t expected)
{
	size_t got = 0;

	for (bool sent = false; got < expected; sent = true) {
		struct result result;

		prepare_receive(fd, got)->user_data = CALL;
		must(io_uring_submit(&ring), "submit");
		if (!sent && send(fd, out, size, 0) != (ssize_t)size)
			err(1, "send");
		for (int i = 0; i < 3; i++)
			ping(other);
		result = result_of(CALL, "receive");
		must(result.moved, "receive");
		got += (size_t)result.moved;
	}
}

static void exchange(int fd, size_t size, size_t expected)
{
	size_t sent = 0, got = 0;

	while (sent < size) {
		int n = transmit(fd, sent, size - sent);

		if (n <= 0)
			errx(1, "sent nothing");
		sent += (size_t)n;
	}
	while (got < expected) {
		int n = receive(fd, got);

		if (n <= 0)
			errx(1, "the connection ended");
		got += (size_t)n;
	}
}

static void check(int depth)
{
	for (int i = 0; i < depth; i++)
		if (memcmp(in + i * strlen(ANSWERS), ANSWERS, strlen(ANSWERS)) != 0)
			errx(1, "not the answers");
}

static void set_up(void)
{
	struct iovec buffers[] = { { out, sizeof(out) }, { in, sizeof(in) } };
	struct io_uring_params params = { .flags = form->setup, .sq_thread_idle = 2000 };

	must(io_uring_queue_init_params(64, &ring, &params), "ring");
	must(io_uring_register_buffers(&ring, buffers, 2), "buffers");
	if (form->receive == BY_MULTISHOT)
		provide(0, PIECES);
}

static int connected(const char *port)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_port = htons((uint16_t)atoi(port)),
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct io_uring_sqe *sqe = request();
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	io_uring_prep_connect(sqe, fd, (struct sockaddr *)&address, sizeof(address));
	done(sqe, "connect");
	return fd;
}

int main(int argc, char **argv)
{
	size_t size = 0;
	int depth, fd, other;

	if (argc != 5)
		errx(2, "usage: uring PORT FORM ROUNDS DEPTH");
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
		if (strcmp(forms[i].name, argv[2]) == 0)
			form = &forms[i];
	depth = atoi(argv[4]);
	if (!form || depth < 1 || depth > 500)
		errx(2, "no such form or depth");
	for (int i = 0; i < depth; i++)
		size += (size_t)snprintf(out + size, sizeof(out) - size, "%s%s", SET, GET);
	set_up();
	fd = connected(argv[1]);
	other = form->beside ? connected(argv[1]) : -1;
	for (int rounds = atoi(argv[3]); rounds > 0; rounds--) {
		memset(in, 0, sizeof(in));
		if (form->beside)
			exchange_beside(fd, other, size, (size_t)depth * strlen(ANSWERS));
		else
			exchange(fd, size, (size_t)depth * strlen(ANSWERS));
		check(depth);
	}
	return 0;
}
