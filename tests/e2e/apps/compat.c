/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An HTTP server by the system calls of 32-bit x86, without a library: built with -m32 it is a
 * 32-bit program, else a 64-bit one that makes them all the same. Everything lies below 4 GiB.
 *
 *	compat PORT		on loopback, until a signal; writes "ready"
 */

enum { CALL_READ = 3, CALL_WRITE = 4, CALL_EXIT = 1, CALL_CLOSE = 6, CALL_SOCKET = 102 };
enum {
	SOCKET_SOCKET = 1,
	SOCKET_BIND = 2,
	SOCKET_LISTEN = 4,
	SOCKET_ACCEPT = 5,
	SOCKET_SEND = 9,
	SOCKET_RECV = 10
};

static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
static char buffer[4096];
static unsigned int arguments[6];
static unsigned char address[16] = { 2, 0, 0, 0, 127, 0, 0, 1 };

static int call(int number, unsigned int a, unsigned int b, unsigned int c)
{
	int result;

	__asm__ volatile("int $0x80"
			 : "=a"(result)
			 : "0"(number), "b"(a), "c"(b), "d"(c)
			 : "memory");
	return result;
}

static unsigned int low(const void *pointer)
{
	return (unsigned int)(unsigned long)pointer;
}

static int socket_call(int kind, unsigned int a, unsigned int b, unsigned int c, unsigned int d)
{
	arguments[0] = a;
	arguments[1] = b;
	arguments[2] = c;
	arguments[3] = d;
	return call(CALL_SOCKET, (unsigned int)kind, low(arguments), 0);
}

/* The first exchange by read() and write(), those after it by recv() and send(). */
static void serve(unsigned int fd)
{
	int first = 1;
	int n;

	for (;;) {
		n = first ? call(CALL_READ, fd, low(buffer), sizeof(buffer)) :
			    socket_call(SOCKET_RECV, fd, low(buffer), sizeof(buffer), 0);
		if (n <= 0)
			return;
		if (first)
			call(CALL_WRITE, fd, low(answer), sizeof(answer) - 1);
		else
			socket_call(SOCKET_SEND, fd, low(answer), sizeof(answer) - 1, 0);
		first = 0;
	}
}

void run(long *stack);

__attribute__((used)) void run(long *stack)
{
	const char *text = (const char *)stack[2]; /* argc, argv[0], argv[1] */
	unsigned int port = 0, fd, accepted;

	while (*text)
		port = port * 10 + (unsigned int)(*text++ - '0');
	address[2] = (unsigned char)(port >> 8);
	address[3] = (unsigned char)port;
	fd = (unsigned int)socket_call(SOCKET_SOCKET, 2, 1, 0, 0);
	if (socket_call(SOCKET_BIND, fd, low(address), sizeof(address), 0) ||
	    socket_call(SOCKET_LISTEN, fd, 5, 0, 0))
		call(CALL_EXIT, 1, 0, 0);
	call(CALL_WRITE, 1, low("ready\n"), 6);
	for (;;) {
		accepted = (unsigned int)socket_call(SOCKET_ACCEPT, fd, 0, 0, 0);
		serve(accepted);
		call(CALL_CLOSE, accepted, 0, 0);
	}
}

#ifdef __x86_64__
__asm__(".globl _start\n_start: mov %rsp, %rdi\n and $-16, %rsp\n call run\n");
#else
__asm__(".globl _start\n_start: mov %esp, %eax\n and $-16, %esp\n sub $12, %esp\n"
	" push %eax\n call run\n");
#endif
