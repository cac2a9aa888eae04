/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "capture/program.h"

/* `line` is split at '|'. */
static void named(const char *started_as, const char *line, enum program_kind kind,
		  const char *name)
{
	char args[1024], got[PROGRAM_NAME_SIZE];
	size_t size = strlen(line), i;
	enum program_kind found;

	for (i = 0; i <= size; i++)
		args[i] = line[i] == '|' ? '\0' : line[i];
	args[size + 1] = '\0';
	found = program_name(started_as, args, size ? size + 1 : 0, got);
	if (found != kind || strcmp(got, name) != 0)
		fail_msg("%s, %s\n  is '%s' (%d), not '%s' (%d)", started_as, line, got, found,
			 name, kind);
}

static void test_programs(void **state)
{
	(void)state;
	named("/usr/sbin/nginx", "nginx: master process /usr/sbin/nginx", PROGRAM_OWN, "nginx");
	named("/usr/lib/postgresql/15/bin/postgres", "postgres: checkpointer ", PROGRAM_OWN,
	      "postgres");
	named("./server", "./server|--port|80", PROGRAM_OWN, "server");
	named("/usr/sbin/php-fpm8.2", "php-fpm: master", PROGRAM_OWN, "php-fpm8.2");
	named("/usr/bin/node_exporter", "node_exporter", PROGRAM_OWN, "node_exporter");
	named("/opt/a\x1b[2Jb\xff", "x", PROGRAM_OWN, "a_[2Jb_");
	named("", "", PROGRAM_OWN, "");
	named("/lib64/ld-linux-x86-64.so.2", "ld|--library-path|/x|/opt/app/bin/app|-v",
	      PROGRAM_OWN, "app");
	named("/lib64/ld-linux-x86-64.so.2", "ld|/usr/bin/python3|-m|http.server", PROGRAM_OWN,
	      "http.server");
}

static void test_python(void **state)
{
	(void)state;
	named("/usr/bin/python3", "python3|app.py", PROGRAM_OWN, "app.py");
	named("/usr/bin/python3.11", "/usr/bin/python3.11|-u|/srv/app.py|-m|x", PROGRAM_OWN,
	      "app.py");
	named("/usr/bin/python3.13t", "python|-X|dev|-W|ignore|-OO|/srv/app.py", PROGRAM_OWN,
	      "app.py");
	named("/usr/bin/python3", "python3|-Wignore|-Bum|http.server|80", PROGRAM_OWN,
	      "http.server");
	named("/usr/bin/python3", "python3|-mhttp.server", PROGRAM_OWN, "http.server");
	named("/usr/bin/python3", "python3|--check-hash-based-pycs|always|a.py", PROGRAM_OWN,
	      "a.py");
	named("/usr/bin/python3", "python3|/srv/shop/__main__.py", PROGRAM_OWN, "shop");
	named("/usr/bin/python3", "python3|-c|import x; x.run()|app.py", PROGRAM_OWN, "python3");
	named("/usr/bin/python3", "python3|-|x", PROGRAM_UNNAMED, "python3");
	named("/usr/bin/python3", "python3", PROGRAM_UNNAMED, "python3");
	named("/usr/bin/python3",
	      "python3|-c|from multiprocessing.spawn import spawn_main; spawn_main(5, 7)|"
	      "--multiprocessing-fork",
	      PROGRAM_WORKER, "python3");
	named("/usr/bin/python3",
	      "python3|-c|import sys; from multiprocessing.forkserver import main; "
	      "main(3, 5, ['__main__'], sys_argv=sys.argv[1:])|/srv/shop.py|serve",
	      PROGRAM_WORKER, "python3");
	named("/usr/bin/python3", "python3|-m|joblib.externals.loky.backend.popen_loky_posix|-x",
	      PROGRAM_WORKER, "python3");
}

static void test_titles(void **state)
{
	(void)state;
	named("/usr/bin/python3", "shop: a title of its own", PROGRAM_UNNAMED, "shop");
	named("/usr/bin/ruby3.1", "puma 6.4.2 (tcp://0.0.0.0:3000) [shop]|||", PROGRAM_UNNAMED,
	      "puma");
	named("/usr/bin/python3", "[celeryd: celery@host:MainProcess]", PROGRAM_UNNAMED, "celeryd");
	named("/usr/bin/node", "next-server (v15.1.0)", PROGRAM_UNNAMED, "next-server");
	named("/usr/bin/perl", "starman", PROGRAM_UNNAMED, "starman");
	named("/usr/bin/python3", "./python3", PROGRAM_UNNAMED, "python3");
	named("/usr/bin/python3", "python3.11 is what I am", PROGRAM_UNNAMED, "python3");
	named("/usr/bin/python3", "user=me token=secret", PROGRAM_UNNAMED, "python3");
	named("/usr/bin/python3", "", PROGRAM_UNNAMED, "python3");
	named("/bin/bash", "-bash", PROGRAM_UNNAMED, "bash");
}

static void test_servers(void **state)
{
	(void)state;
	named("/usr/bin/python3", "python3|/usr/bin/uvicorn|app.main:app|--port|80", PROGRAM_OWN,
	      "uvicorn app.main:app");
	named("/venv/bin/python", "python|-m|uvicorn|--host|0.0.0.0|--reload|app.main:app",
	      PROGRAM_OWN, "uvicorn app.main:app");
	named("/usr/bin/uvicorn", "/usr/bin/python3|/usr/bin/uvicorn|--factory|app:create",
	      PROGRAM_OWN, "uvicorn app:create");
	named("/usr/bin/gunicorn",
	      "/usr/bin/python3|/usr/bin/gunicorn|-w|4|-b|localhost:80|-k|"
	      "uvicorn.workers.UvicornWorker|shop.wsgi",
	      PROGRAM_OWN, "gunicorn shop.wsgi");
	named("/usr/bin/gunicorn",
	      "/usr/bin/python3|/usr/bin/gunicorn|-c|python:conf.prod|shop:make('a')", PROGRAM_OWN,
	      "gunicorn shop:make");
	named("/usr/bin/gunicorn", "gunicorn: worker [shop:make(key='s3cret')]", PROGRAM_OWN,
	      "gunicorn shop:make");
	named("/usr/bin/flask", "/usr/bin/python3|/usr/bin/flask|--app|shop:make('s3cret')|run",
	      PROGRAM_OWN, "flask shop:make");
	named("/usr/bin/gunicorn", "gunicorn: worker [shop.wsgi]", PROGRAM_OWN,
	      "gunicorn shop.wsgi");
	named("/usr/bin/hypercorn", "/usr/bin/python3|/usr/bin/hypercorn|--bind=[::]:80|a.b:app",
	      PROGRAM_OWN, "hypercorn a.b:app");
	named("/usr/bin/celery", "/usr/bin/python3|/usr/bin/celery|-A|shop|worker", PROGRAM_OWN,
	      "celery shop");
	named("/usr/bin/python3", "python3|-m|celery|--app=shop.tasks|worker", PROGRAM_OWN,
	      "celery shop.tasks");
	named("/usr/bin/python3", "python3|/usr/bin/uvicorn", PROGRAM_OWN, "uvicorn");
}

static void test_others(void **state)
{
	(void)state;
	named("/usr/bin/node", "node|--inspect|-r|dotenv/config|dist/server.js|--port|80",
	      PROGRAM_OWN, "server.js");
	named("/usr/bin/node", "node|--max-old-space-size=4096|--import|./x.mjs|server.js",
	      PROGRAM_OWN, "server.js");
	named("/usr/bin/node", "node|-e|require('x')|a", PROGRAM_OWN, "node");
	named("/usr/bin/nodejs", "nodejs|--|-odd.js", PROGRAM_OWN, "-odd.js");
	named("/usr/bin/java", "java|-Xmx1g|-Da=b|-jar|/opt/app.jar|x", PROGRAM_OWN, "app.jar");
	named("/usr/bin/java", "java|-cp|a.jar:b|-XX:+UseG1GC|org.example.Main|-jar|c", PROGRAM_OWN,
	      "org.example.Main");
	named("/usr/bin/java", "java|--module-path|m|--add-opens|java.base/x=ALL-UNNAMED|-m|a/b.C",
	      PROGRAM_OWN, "b.C");
	named("/bin/bash", "bash|-eo|pipefail|/opt/run.sh|x", PROGRAM_OWN, "run.sh");
	named("/bin/sh", "sh|-ec|exec x", PROGRAM_OWN, "sh");
	named("/usr/bin/perl", "perl|-w|-Mstrict|-I|lib|-Ilib|serve.pl", PROGRAM_OWN, "serve.pl");
	named("/usr/bin/perl", "perl|-e|code", PROGRAM_OWN, "perl");
	named("/usr/bin/ruby3.1", "ruby3.1|-W0|-rbundler/setup|bin/app.rb", PROGRAM_OWN, "app.rb");
	named("/usr/bin/ruby", "ruby|/usr/bin/bundle|exec|puma|-C|x", PROGRAM_OWN, "puma");
	named("/usr/bin/php8.2", "php|-d|a=b|artisan|serve", PROGRAM_OWN, "artisan");
	named("/usr/bin/php", "php|-S|localhost:80|-t|public|router.php", PROGRAM_OWN,
	      "router.php");
	named("/usr/bin/php", "php|-f|x/job.php", PROGRAM_OWN, "job.php");
	named("/usr/bin/dotnet", "dotnet|exec|shop.dll", PROGRAM_OWN, "shop.dll");
	named("/usr/bin/deno", "deno|run|--allow-net|main.ts", PROGRAM_OWN, "main.ts");
	named("/usr/bin/bun", "bun|--smol|run|src/main.ts", PROGRAM_OWN, "main.ts");
}

/* What was given as text is nobody's name, and may hold what nobody should see. */
static void test_code(void **state)
{
	(void)state;
	named("/usr/bin/deno", "deno|eval|--ext=ts|a/b", PROGRAM_OWN, "deno");
	named("/usr/bin/bun", "bun|-e|a/b", PROGRAM_OWN, "bun");
	named("/usr/bin/bun", "bun|-p|a/b", PROGRAM_OWN, "bun");
	named("/usr/bin/bun", "bun|--eval|a/b", PROGRAM_OWN, "bun");
	named("/usr/bin/node", "node|-pe|a/b", PROGRAM_OWN, "node");
	named("/usr/bin/node", "node|--unknown|fetch('http://a/b')", PROGRAM_OWN, "node");
	named("/usr/bin/perl", "perl|-lane|a/b", PROGRAM_OWN, "perl");
	named("/usr/bin/perl", "perl|-0777ne|a/b", PROGRAM_OWN, "perl");
	named("/usr/bin/perl", "perl|-l|serve.pl", PROGRAM_OWN, "serve.pl");
	named("/usr/bin/ruby", "ruby|-W0ne|a/b", PROGRAM_OWN, "ruby");
	named("/usr/bin/ruby", "ruby|-W0|app.rb", PROGRAM_OWN, "app.rb");
	named("/usr/bin/ruby", "ruby|-W:no-deprecated|app.rb", PROGRAM_OWN, "app.rb");
	named("/usr/bin/perl", "perl|-CI|app.pl|8080", PROGRAM_OWN, "app.pl");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_programs), cmocka_unit_test(test_python),
		cmocka_unit_test(test_titles),	 cmocka_unit_test(test_servers),
		cmocka_unit_test(test_others),	 cmocka_unit_test(test_code),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
