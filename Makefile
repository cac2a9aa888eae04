# SPDX-License-Identifier: Apache-2.0
#
# vmlinux + bpf -> onlooker.bpf.o -> onlooker.skel.h -> libonlooker.a -> onlooker
#                            otlp.proto -> otlp.pb-c.[ch] ---^
#
#   make [all]         the daemon, build/onlooker
#   make run           the daemon in the foreground beside a sample service (SAMPLE=0: alone)
#   make test          test-unit and test-e2e
#   make test-sanitized  test-e2e with the daemon built with SANITIZE=1
#   make test-kernels  the daemon in QEMU on other kernels (KERNELS="5.10 6.1" selects)
#   make bench         what the daemon costs (ARGS=--quick: in three minutes)
#   make soak          a long run that must not grow (EXCHANGES=1e8)
#   make fuzz          every fuzz target for FUZZ_SECONDS
#   make lint          layout, a second compiler's warnings, scripts
#   make format        the layout of all C files as lint wants it
#   make install       PREFIX, DESTDIR
#   make deps          the packages of all targets
#
# Every target installs the packages that it lacks (tests/install). SANITIZE=1 builds with the
# address and undefined-behaviour sanitizers into build/asan; BUILD=DIR builds elsewhere; WERROR=1
# makes warnings errors; V=1 shows the commands.

MAKEFLAGS += --no-builtin-rules --no-builtin-variables
.DELETE_ON_ERROR:
.SUFFIXES:
.DEFAULT_GOAL := all

VERSION := 0.1.0
REVISION ?= $(shell git describe --always --dirty 2>/dev/null || echo unknown)
PREFIX ?= /usr/local
SANITIZE ?= 0
WERROR ?= 0
EXCHANGES ?= 1e8
FUZZ_SECONDS ?= 60
V ?= 0
Q := $(if $(filter 1,$(V)),,@)
say = $(if $(filter 1,$(V)),,@printf '  %-8s %s\n' '$(1)' '$(2)')
BUILD ?= $(if $(filter 1,$(SANITIZE)),build/asan,build)

ifneq ($(filter undefined default,$(origin CC)),)
CC := gcc
endif
ifneq ($(filter undefined default,$(origin AR)),)
AR := ar
endif
CLANG ?= clang
PROTOC_C ?= protoc-c
LLVM_STRIP ?= llvm-strip
STRIP ?= strip
BPFTOOL ?= $(firstword $(wildcard /usr/sbin/bpftool) bpftool)

MACHINE := $(shell uname -m)
BPF_ARCH := $(patsubst x86_64,x86,$(patsubst aarch64,arm64,$(MACHINE)))

# --- Flags ---------------------------------------------------------------------------------------

# Compilers to come will warn of more: that should not keep a user from building.
ERRORS := $(if $(filter 1,$(WERROR)),-Werror)
WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes $(ERRORS)
INCLUDES := -Iinclude -Iuser -isystem $(BUILD)
HARDENING := -fstack-protector-strong -fstack-clash-protection -fPIE -fno-plt
HARDENING += $(if $(filter x86_64,$(MACHINE)),-fcf-protection)
ifeq ($(SANITIZE),1)
HARDENING += -fsanitize=address,undefined -fno-sanitize-recover=undefined
HARDENING += -fno-omit-frame-pointer
LDFLAGS += -fsanitize=address,undefined
else
HARDENING += -D_FORTIFY_SOURCE=2
endif
# Where checks are added, loops taken apart make the compiler warn of what cannot be.
CFLAGS ?= $(if $(filter 1,$(SANITIZE)),-O2,-O3) -g
# The daemon is optimised across files, from objects that other programs link as they are.
ifneq ($(SANITIZE),1)
CFLAGS_LTO := -flto=auto -ffat-lto-objects
endif
ALL_CFLAGS = -std=c11 -D_GNU_SOURCE $(CFLAGS) $(WARNINGS) $(HARDENING) $(INCLUDES)
ALL_LDFLAGS = -pie -Wl,-z,relro,-z,now,-z,noexecstack -Wl,--as-needed $(LDFLAGS)
LDLIBS := -lbpf -lelf -lz -lmicrohttpd -ljansson -lseccomp -lprotobuf-c -lm

BPF_CFLAGS := -target bpf -std=gnu11 -O2 -g -mcpu=v3 -D__TARGET_ARCH_$(BPF_ARCH) \
	-Wall -Wextra -Wno-unused-parameter $(ERRORS) -Ivmlinux -Iinclude -Ibpf \
	-idirafter /usr/include/$(MACHINE)-linux-gnu

# --- Files ---------------------------------------------------------------------------------------

SOURCES := $(sort $(wildcard user/*.c user/*/*.c))
OBJECTS := $(SOURCES:%.c=$(BUILD)/obj/%.o)
MAIN := $(BUILD)/obj/user/main.o
SANITIZED := $(if $(filter 1,$(SANITIZE)),$(BUILD)/obj/tests/sanitized.o)
LIBRARY := $(BUILD)/libonlooker.a
DAEMON := $(BUILD)/onlooker
SKELETON := $(BUILD)/onlooker.skel.h
MESSAGES := $(BUILD)/otlp.pb-c.c

UNIT_SOURCES := $(sort $(wildcard tests/unit/*.c))
UNIT_OBJECTS := $(UNIT_SOURCES:%.c=$(BUILD)/obj/%.o)
UNIT_HELPERS := $(filter-out $(BUILD)/obj/tests/unit/test_%,$(UNIT_OBJECTS))
UNIT_TESTS := $(filter $(BUILD)/tests/test_%,$(UNIT_SOURCES:tests/unit/%.c=$(BUILD)/tests/%))

FUZZ_TARGETS := $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))

.PHONY: all run test test-unit test-e2e test-kernels bench soak fuzz lint format install clean
.PHONY: test-sanitized FORCE deps deps-build deps-test deps-kernels

all: $(DAEMON)

# --- Packages ------------------------------------------------------------------------------------

deps-build deps-test deps-kernels: deps-%:
	@tests/install $*

deps:
	@tests/install build test kernels

# --- Kernel side ---------------------------------------------------------------------------------

$(BUILD)/onlooker.bpf.o: bpf/onlooker.bpf.c Makefile | deps-build
	@mkdir -p $(@D)
	$(call say,BPF,$@)
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -MF $@.d -MT $@ -c $< -o $@
	$(Q)$(LLVM_STRIP) -g $@

$(SKELETON): $(BUILD)/onlooker.bpf.o
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name onlooker_bpf > $@

# --- User side -----------------------------------------------------------------------------------

$(MESSAGES): user/export/otlp.proto Makefile | deps-build
	@mkdir -p $(@D)
	$(call say,PROTO,$@)
	$(Q)$(PROTOC_C) --proto_path=$(<D) --c_out=$(@D) $<

$(MESSAGES:.c=.o): $(MESSAGES) $(BUILD)/flags
	$(call say,CC,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -Wno-missing-braces -c $< -o $@

# A file that changes only when its content does: what depends on it is made again only then.
define keep
	@mkdir -p $(@D)
	@printf '%s\n' $(1) | cmp -s - $@ || printf '%s\n' $(1) > $@
endef

$(BUILD)/version.h: FORCE
	$(call keep,'#define ONLOOKER_VERSION "$(VERSION)"' \
		'#define ONLOOKER_REVISION "$(REVISION)"')

$(BUILD)/flags: FORCE
	$(call keep,'$(CC) $(ALL_CFLAGS) $(CFLAGS_LTO) $(ALL_LDFLAGS)')

$(BUILD)/sources: FORCE
	$(call keep,$(SOURCES))

$(BUILD)/obj/%.o: %.c $(BUILD)/flags | deps-build $(BUILD)/version.h
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(CFLAGS_LTO) -MD -MP -c $< -o $@

# What is generated has to stand before the first look at the files that include it.
$(patsubst %.c,$(BUILD)/obj/%.o,$(shell grep -ls 'otlp\(\.pb-c\|_encode\)\.h' $(SOURCES) \
	$(UNIT_SOURCES))): | $(MESSAGES)
$(patsubst %.c,$(BUILD)/obj/%.o,$(shell grep -ls 'onlooker\.skel\.h' $(SOURCES))): | $(SKELETON)

$(LIBRARY): $(filter-out $(MAIN),$(OBJECTS)) $(MESSAGES:.c=.o) $(BUILD)/sources
	@rm -f $@
	$(call say,AR,$@)
	$(Q)$(AR) rcs $@ $(filter %.o,$^)

$(DAEMON): $(MAIN) $(SANITIZED) $(LIBRARY)
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(CFLAGS_LTO) $(ALL_LDFLAGS) $^ -o $@ $(LDLIBS)

install: $(DAEMON)
	install -d $(DESTDIR)$(PREFIX)/bin
	install -m 755 -s --strip-program=$(STRIP) $(DAEMON) $(DESTDIR)$(PREFIX)/bin/onlooker

# --- Tests ---------------------------------------------------------------------------------------

$(UNIT_OBJECTS): | deps-test

$(BUILD)/tests/test_%: $(BUILD)/obj/tests/unit/test_%.o $(UNIT_HELPERS) $(LIBRARY)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -fno-lto $(ALL_LDFLAGS) $^ -o $@ -lcmocka $(LDLIBS)

$(BUILD)/e2e/%: $(BUILD)/obj/tests/e2e/tools/%.o $(SANITIZED) $(LIBRARY)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -fno-lto $(ALL_LDFLAGS) $^ -o $@ $(LDLIBS)

test: test-unit test-e2e

test-unit: $(UNIT_TESTS)
	@tests/unit/run $(UNIT_TESTS)

# After the unit tests, also when make runs jobs side by side: both want all processors.
test-e2e: $(DAEMON) $(BUILD)/tests/spans $(BUILD)/e2e/tasks | deps-test
test-e2e: | $(if $(filter test,$(MAKECMDGOALS)),test-unit)
	@venv=$$(tests/venv) && ONLOOKER=$(abspath $(DAEMON)) SANITIZE=$(SANITIZE) \
		TASKS=$(abspath $(BUILD)/e2e/tasks) \
		"$$venv/bin/python" -m pytest $(E2E_ARGS) tests/e2e

test-sanitized:
	@$(MAKE) --no-print-directory test-e2e SANITIZE=1

test-kernels: $(DAEMON) $(BUILD)/e2e/tasks | deps-kernels
	@ONLOOKER=$(abspath $(DAEMON)) TASKS=$(abspath $(BUILD)/e2e/tasks) tests/kernels/run

# Pushes spans on command: tests/e2e/test_export.py.
$(BUILD)/tests/spans: $(BUILD)/obj/tests/spans.o $(SANITIZED) $(LIBRARY)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -fno-lto $(ALL_LDFLAGS) $^ -o $@ $(LDLIBS)

$(BUILD)/bench/empty: tests/bench/empty.c | deps-build
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) $< -o $@ -lbpf -lelf -lz

CLIENTS := $(addprefix $(BUILD)/bench/,pace storm)

$(CLIENTS): $(BUILD)/bench/%: tests/bench/%.c tests/bench/client.h | deps-build
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) $< -o $@

$(BUILD)/bench/empty.bpf.o: tests/bench/empty.bpf.c Makefile | deps-build
	@mkdir -p $(@D)
	$(call say,BPF,$@)
	$(Q)$(CLANG) $(BPF_CFLAGS) -c $< -o $@

bench: $(DAEMON) $(addprefix $(BUILD)/bench/,empty empty.bpf.o) $(CLIENTS) | deps-test
	@venv=$$(tests/venv) && \
		ONLOOKER=$(abspath $(DAEMON)) "$$venv/bin/python" tests/bench/bench.py $(ARGS)

soak: $(DAEMON) | deps-test
	@venv=$$(tests/venv) && ONLOOKER=$(abspath $(DAEMON)) EXCHANGES=$(EXCHANGES) \
		"$$venv/bin/python" tests/soak/soak.py

$(BUILD)/fuzz/%: tests/fuzz/%.c $(SOURCES) $(MESSAGES) | deps-test $(SKELETON) $(BUILD)/version.h
	@mkdir -p $(@D)
	$(call say,FUZZ,$@)
	$(Q)$(CLANG) -std=c11 -D_GNU_SOURCE -O1 -g $(INCLUDES) -fsanitize=fuzzer,address,undefined \
		-fno-sanitize-recover=undefined \
		$< $(filter-out user/main.c,$(SOURCES)) $(MESSAGES) -o $@ $(LDLIBS)

fuzz: $(FUZZ_TARGETS)
	@FUZZ_SECONDS=$(FUZZ_SECONDS) tests/fuzz/run $(FUZZ_TARGETS)

lint: | deps-test $(SKELETON) $(MESSAGES) $(BUILD)/version.h
	@venv=$$(tests/venv) && tests/lint check $(BUILD) "$$venv"

format: | deps-test
	@venv=$$(tests/venv) && tests/lint format $(BUILD) "$$venv"

# --- In use --------------------------------------------------------------------------------------

run: $(DAEMON) | $(if $(filter 0,$(SAMPLE)),,deps-test)
	@exec tests/sample/run $(DAEMON)

clean:
	rm -rf $(BUILD)

-include $(OBJECTS:.o=.d) $(SANITIZED:.o=.d) $(UNIT_OBJECTS:.o=.d) $(BUILD)/onlooker.bpf.o.d
-include $(BUILD)/obj/tests/spans.d
-include $(BUILD)/obj/tests/e2e/tools/tasks.d
