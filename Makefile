# SPDX-License-Identifier: MIT
#
# chancat: GNU make 4 or later. `make` builds the two programs, `make help` lists the rest.
#
# From outside:  CC CFLAGS LDFLAGS LDLIBS PKG_CONFIG AR   PREFIX DESTDIR BINDIR MANDIR BASHDIR ZSHDIR
# FISHDIR SYSTEMDDIR
#   V=1                          show the commands
#   DEVELOPER=1                  many warnings, each an error
#   SANITIZE=address,undefined   (or thread) build and test with these sanitizers
#   READLINE=0                   build chancat without GNU readline: a plain terminal
#   POSTGRES=0                   build chancatd without libpq: SQLite only
#   INSTALL_DEPS=true            `check`, `lint` and the demos install nothing
# Each combination of compiler, DEVELOPER and SANITIZE has its own directory, build/<variant>, and
# nothing is written anywhere else.

VERSION = 0.1.0

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules --no-print-directory

PREFIX     ?= /usr/local
BINDIR     ?= $(PREFIX)/bin
MANDIR     ?= $(PREFIX)/share/man
BASHDIR    ?= $(PREFIX)/share/bash-completion/completions
ZSHDIR     ?= $(PREFIX)/share/zsh/site-functions
FISHDIR    ?= $(PREFIX)/share/fish/vendor_completions.d
SYSTEMDDIR ?= $(if $(filter Linux,$(shell uname -s)),$(PREFIX)/lib/systemd)
PKG_CONFIG ?= pkg-config
INSTALL    ?= install
CFLAGS     ?= -O2 -g
DEVELOPER  ?=
SANITIZE   ?=
READLINE   ?= 1
POSTGRES   ?= 1
V          ?=
INSTALL_DEPS ?= contrib/install-deps

# --- variant ----------------------------------------------------------------------------------

comma := ,
empty :=
space := $(empty) $(empty)
developer := $(filter-out 0,$(DEVELOPER))
readline := $(filter-out 0,$(READLINE))
postgres := $(filter-out 0,$(POSTGRES))
compiler := $(notdir $(firstword $(CC)))
VARIANT := $(or $(subst $(space),-,$(strip $(filter-out cc gcc,$(compiler)) \
	$(if $(developer),developer) $(if $(readline),,plain) $(if $(postgres),,sqlite) $(subst $(comma),-,$(SANITIZE)))),default)
B := build/$(VARIANT)

# --- flags ------------------------------------------------------------------------------------

# The systems not listed show everything when no standard is asked for.
features_Linux  := -D_POSIX_C_SOURCE=200809L -D_XOPEN_SOURCE=700 -D_DEFAULT_SOURCE
features_Darwin := -D_DARWIN_C_SOURCE
features := $(features_$(shell uname -s))

warnings := -Wall -Wextra -Wpedantic -Wshadow
ifneq ($(developer),)
warnings += -Werror -Wconversion -Wsign-conversion -Wdouble-promotion -Wformat=2 -Wundef -Wvla \
	-Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition -Wredundant-decls \
	-Wnested-externs -Wpointer-arith -Wcast-align -Wcast-qual -Wwrite-strings \
	-Wimplicit-fallthrough -Wswitch -Wunused-macros -Wdate-time
endif

ifneq ($(SANITIZE),)
sanitize := -fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer
endif

# $(call library,pkg-config name,plain flag): without pkg-config the plain flag must do.
library_cflags = $(shell $(PKG_CONFIG) --cflags $(1) 2>/dev/null)
library_libs = $(shell $(PKG_CONFIG) --libs $(1) 2>/dev/null || echo $(2))

libraries := libcurl jansson libmicrohttpd sqlite3 $(if $(readline),readline) $(if $(postgres),libpq)
# Readline's flags ask for an older standard than ours: only where its headers are is of interest.
library_includes := $(filter-out -D%,$(call library_cflags,$(libraries)))
jansson_libs := $(call library_libs,jansson,-ljansson)
client_libs := $(call library_libs,libcurl,-lcurl) $(jansson_libs) \
	$(if $(readline),$(call library_libs,readline,-lreadline))
server_libs := $(call library_libs,libmicrohttpd,-lmicrohttpd) \
	$(call library_libs,sqlite3,-lsqlite3) $(jansson_libs) \
	$(if $(postgres),$(call library_libs,libpq,-lpq))
cmocka_includes := $(call library_cflags,cmocka)
cmocka_libs := $(call library_libs,cmocka,-lcmocka)

own_cppflags := -Isrc $(features) -DCHANCAT_VERSION='"$(VERSION)"' $(library_includes)
own_cflags := -std=c17 -pthread $(warnings) $(sanitize)
test_cppflags := -Itests $(cmocka_includes)

compile = $(CC) $(own_cppflags) $(extra_cppflags) $(CPPFLAGS) $(own_cflags) $(CFLAGS)
link = $(CC) -pthread $(sanitize) $(CFLAGS) $(LDFLAGS)

ifeq ($(filter-out 0,$(V)),)
quiet = @printf '  %-7s %s\n' $(1) '$(if $(2),$(2),$(@:$(B)/%=%))';
endif

# --- files ------------------------------------------------------------------------------------

common_c := $(wildcard src/common/*.c)
# The terminal's screen, or what stands there instead of it.
no_screen_c := $(if $(readline),src/client/no_screen.c,$(wildcard src/client/screen*.c))
client_c := $(filter-out src/client/main.c $(no_screen_c),$(wildcard src/client/*.c))
# Without libpq one file stands for all that use it, in the server and in its tests.
no_postgres_c := $(if $(postgres),src/server/no_store_pg.c tests/unit/no_place_pg.c,\
	$(wildcard src/server/pg_*.c) src/server/store_pg.c tests/unit/place_pg.c)
server_c := $(filter-out src/server/main.c $(no_postgres_c),$(wildcard src/server/*.c))
fault_c  := $(wildcard tests/fault/*.c)
proxy_c  := $(wildcard tests/proxy/*.c)
crowd_c  := $(wildcard tests/crowd/*.c)
bench_support_c := tests/bench/load.c
bench_c  := $(filter-out $(bench_support_c),$(wildcard tests/bench/*.c))
unit_c   := $(wildcard tests/unit/test_*.c)
support_c := $(filter-out $(unit_c) $(no_postgres_c),$(wildcard tests/unit/*.c))
headers  := $(wildcard src/*/*.h tests/*/*.h)
all_c    := $(filter-out $(if $(readline),,$(no_screen_c)) $(if $(postgres),,$(no_postgres_c)),\
	$(wildcard src/*/*.c tests/*/*.c))
e2e      := $(filter-out %/lib.sh %/pg.sh,$(wildcard tests/e2e/*.sh))

object = $(patsubst %.c,$(B)/obj/%.o,$(1))

# A unit test of the server says so by what it includes; all others are linked with the client.
unit_server_c := $(if $(unit_c),$(shell grep -l '^\#include "server/' $(unit_c)))
unit_program = $(patsubst tests/unit/%.c,$(B)/tests/%,$(1))
unit_programs := $(call unit_program,$(unit_c))
faultd := $(if $(fault_c),$(B)/faultd)
faultproxy := $(if $(proxy_c),$(B)/faultproxy)
crowd := $(if $(crowd_c),$(B)/crowd)
# chancatd without the locks that keep ids in order, to see a test fail that should.
unlocked := $(if $(postgres),$(B)/chancatd-without-locks)
bench := $(patsubst tests/bench/%.c,$(B)/bench/%,$(bench_c))
odd := $(if $(wildcard tests/harm/odd.c),$(B)/odd.so)
programs := $(B)/chancat $(B)/chancatd
completions := $(foreach program,$(programs),$(foreach shell,bash zsh fish,\
	$(B)/completions/$(notdir $(program)).$(shell)))

# --- build ------------------------------------------------------------------------------------

.PHONY: all
all: $(programs) $(completions) ## build chancat and chancatd into build/<variant> (the default)

$(B)/chancat: $(call object,src/client/main.c) $(B)/client.a $(B)/common.a
	$(call quiet,LINK)$(link) -o $@ $^ $(client_libs) $(LDLIBS)

$(B)/chancatd: $(call object,src/server/main.c) $(B)/server.a $(B)/common.a
	$(call quiet,LINK)$(link) -o $@ $^ $(server_libs) $(LDLIBS)

$(B)/faultd: $(call object,$(fault_c)) $(B)/common.a
	$(call quiet,LINK)$(link) -o $@ $^ $(jansson_libs) $(LDLIBS)

$(B)/faultproxy: $(call object,$(proxy_c) tests/fault/bytes.c)
	$(call quiet,LINK)$(link) -o $@ $^ $(LDLIBS)

$(B)/crowd: $(call object,$(crowd_c) tests/bench/load.c) $(B)/common.a
	$(call quiet,LINK)$(link) -o $@ $^ $(LDLIBS)

# What is named first is not taken from the archive.
unlocked_o := $(B)/obj/without-locks/server/pg_append.o
$(B)/chancatd-without-locks: $(call object,src/server/main.c) $(unlocked_o) $(B)/server.a \
		$(B)/common.a
	$(call quiet,LINK)$(link) -o $@ $^ $(server_libs) $(LDLIBS)

$(bench): $(B)/bench/%: $(call object,tests/bench/%.c $(bench_support_c)) $(B)/server.a \
		$(B)/common.a | $(B)/bench/
	$(call quiet,LINK)$(link) -o $@ $^ $(server_libs) $(LDLIBS)

# Preloaded into what is tested, so it has no sanitizer of its own.
$(B)/odd.so: tests/harm/odd.c $(B)/.flags
	$(call quiet,LINK)$(CC) $(features) $(CPPFLAGS) -std=c17 $(warnings) $(CFLAGS) -fPIC -shared \
		-fno-builtin $(LDFLAGS) -o $@ $< -ldl

# Made by asking the program. Where it cannot run (a cross build), `make completions=` does without.
$(B)/completions/%: contrib/completions/generate.awk $(programs) | $(B)/completions/
	$(call quiet,GEN)$(B)/$(basename $*) --help | awk -v program=$(basename $*) \
		-v shell=$(subst .,,$(suffix $*)) -f $< >$@

# Archives, so that a test which defines a module's functions itself gets its own.
$(B)/common.a: $(call object,$(common_c))
$(B)/client.a: $(call object,$(client_c))
$(B)/server.a: $(call object,$(server_c))
$(B)/support.a: $(call object,$(support_c))
$(B)/%.a: $(B)/.files
	$(call quiet,AR)rm -f $@ && $(AR) rcs $@ $(filter %.o,$^)

# A line ` * link: FLAGS` in a test's comment goes to the linker (-Wl,--wrap=...).
unit_flags = $(shell sed -n 's/^ \* link: //p' tests/unit/$(@F).c)
unit_link = $(call quiet,LINK)$(link) $(unit_flags) -o $@ $^ $(1) $(cmocka_libs) $(LDLIBS)

$(call unit_program,$(filter-out $(unit_server_c),$(unit_c))): \
$(B)/tests/%: $(B)/obj/tests/unit/%.o $(B)/support.a $(B)/client.a $(B)/common.a | $(B)/tests/
	$(call unit_link,$(client_libs))

$(call unit_program,$(unit_server_c)): \
$(B)/tests/%: $(B)/obj/tests/unit/%.o $(B)/support.a $(B)/server.a $(B)/common.a | $(B)/tests/
	$(call unit_link,$(server_libs))

$(B)/obj/tests/%.o: extra_cppflags = $(test_cppflags)

$(B)/obj/%.o: %.c $(B)/.flags
	@mkdir -p $(@D)
	$(call quiet,CC,$<)$(compile) -MMD -MP -c -o $@ $<

$(B)/obj/without-locks/%.o: extra_cppflags = -DCHANCATD_TEST_WITHOUT_LOCKS
$(B)/obj/without-locks/%.o: src/%.c $(B)/.flags
	@mkdir -p $(@D)
	$(call quiet,CC,$< without locks)$(compile) -MMD -MP -c -o $@ $<

-include $(patsubst %.c,$(B)/obj/%.d,$(all_c)) $(unlocked_o:.o=.d)

$(B)/ $(B)/tests/ $(B)/bench/ $(B)/completions/:
	@mkdir -p $@

# These two change only when what they record does: other flags compile everything anew, a file
# that came or went links anew.
quote = '$(subst ','\'',$(1))'
record = @printf '%s\n' $(call quote,$(1)) >$@.new; \
	if cmp -s $@.new $@; then rm -f $@.new; else mv -f $@.new $@; fi

$(B)/.flags: FORCE | $(B)/
	@$(PKG_CONFIG) --exists $(libraries) 2>/dev/null || \
		echo 'make: not every library was found; contrib/install-deps installs them' >&2
	$(call record,$(compile) $(test_cppflags))

$(B)/.files: FORCE | $(B)/
	$(call record,$(all_c))

.PHONY: FORCE
FORCE:

# --- try it -----------------------------------------------------------------------------------

# The flags of libraries that were just installed are known to a new make only.
.PHONY: demo chat cluster-demo
demo: ## build, start a server and show messages going through it
	@$(INSTALL_DEPS)
	@$(MAKE) all
	@CHANCAT=$(B)/chancat CHANCATD=$(B)/chancatd contrib/demo

chat: ## the same server, and chancat at the terminal
	@$(INSTALL_DEPS)
	@$(MAKE) all
	@CHANCAT=$(B)/chancat CHANCATD=$(B)/chancatd contrib/demo --chat

# CLUSTER hands options through: make cluster-demo CLUSTER='-n 5000 -k 10'
cluster-demo: ## three servers over one PostgreSQL behind haproxy, one killed on the way, and a count
	@$(INSTALL_DEPS) --cluster
	@$(MAKE) all
	@CHANCAT=$(B)/chancat CHANCATD=$(B)/chancatd contrib/cluster/demo $(CLUSTER)

# --- tests ------------------------------------------------------------------------------------

test_environment = CHANCAT=$(CURDIR)/$(B)/chancat CHANCATD=$(CURDIR)/$(B)/chancatd \
	FAULTD=$(CURDIR)/$(B)/faultd FAULTPROXY=$(CURDIR)/$(B)/faultproxy ODD=$(CURDIR)/$(B)/odd.so \
	CROWD=$(CURDIR)/$(B)/crowd UNLOCKED=$(CURDIR)/$(B)/chancatd-without-locks \
	BENCH_BIN=$(CURDIR)/$(B)/bench UNIT_BIN=$(CURDIR)/$(B)/tests SANITIZE=$(SANITIZE)

.PHONY: test check check-programs check-run soak bench \
	bench-programs valgrind
test: $(unit_programs) ## run the unit tests
	@$(test_environment) tests/run $(unit_programs)

check: ## install what the tests need, build, run every test
	@$(INSTALL_DEPS) --tests
	@$(MAKE) check-run

check-programs: $(programs) $(completions) $(faultd) $(faultproxy) $(crowd) $(unlocked) $(odd) $(bench) \
	$(unit_programs)

check-run: check-programs
	@$(test_environment) tests/run $(unit_programs) $(e2e)

# SOAK hands options through: make soak SOAK='--sends 20000 --hours 8'
soak: $(programs) $(faultproxy) $(crowd) $(unlocked) $(odd) ## thousands of lines through every fault, kills at every step, and the tables
	@$(test_environment) tests/soak/run $(SOAK)
	@$(test_environment) tests/soak/settle-report
	@$(test_environment) tests/soak/harm-report
	@$(test_environment) tests/soak/crowd-report || [ $$? = 77 ] # no PostgreSQL

# A peer that is missing costs its rows, not the benchmark. ROWS picks groups of rows and BENCH hands
# options through: make bench ROWS='read send' BENCH='--scale 0.01 --json'
bench: ## install the peers (curl jq wrk mosquitto hyperfine pgbench), print ratios against them
	@$(INSTALL_DEPS) --bench || echo 'make bench: goes on without what is missing' >&2
	@$(MAKE) bench-programs >&2
	@$(test_environment) tests/bench/run $(BENCH) $(ROWS)

bench-programs: $(programs) $(faultd) $(faultproxy) $(bench)

valgrind: $(unit_programs) ## run the unit tests under valgrind
	@set -e; for program in $(unit_programs); do \
		echo "  VALGRIND $$program"; \
		valgrind -q --error-exitcode=99 --leak-check=full \
			--errors-for-leak-kinds=definite "$$program"; \
	done

# --- lint -------------------------------------------------------------------------------------

.PHONY: check-headers lint lint-run lint-man lint-shell lint-cppcheck lint-clang lint-format \
	lint-files format
header_checks := $(addsuffix .alone,$(headers))
.PHONY: $(header_checks)

check-headers: $(header_checks) ## compile every header alone
$(header_checks): %.alone:
	$(call quiet,HEADER,$*)printf '#include "%s"\n' '$*' | \
		$(compile) $(test_cppflags) -I. -Wno-unused-macros -fsyntax-only -x c -

lint: ## install what it needs, check manual pages, scripts, sources and layout
	@$(INSTALL_DEPS) --lint
	@$(MAKE) lint-run
lint-run: lint-man lint-shell lint-cppcheck lint-clang lint-format lint-files check-headers

# What other manuals are installed here is not for this check.
lint-man:
	$(call quiet,LINT,man)if mandoc -T lint man/*.[178] 2>/dev/null | \
		grep -v 'referenced manual not found'; then exit 1; fi

lint-shell:
	$(call quiet,LINT,scripts)shellcheck -x -S warning -P SCRIPTDIR \
		$$(tests/lint/scripts)

lint-cppcheck:
	$(call quiet,LINT,cppcheck)cppcheck --quiet --std=c11 --error-exitcode=1 --inline-suppr \
		--enable=warning,performance,portability --suppress=missingIncludeSystem \
		-DCHANCAT_VERSION='""' -Isrc src

lint-clang:
	$(call quiet,LINT,clang)clang $(own_cppflags) $(test_cppflags) -std=c17 -Wall -Wextra \
		-Wpedantic -Wshadow -Wconversion -Werror -fsyntax-only $(all_c)

lint-format:
	$(call quiet,LINT,layout)clang-format --dry-run -Werror $(all_c) $(headers)

lint-files:
	$(call quiet,LINT,files)tests/lint/files

format: ## lay out every C file as .clang-format says
	clang-format -i $(all_c) $(headers)

# --- install, release, clean ------------------------------------------------------------------

# What is put where, as FILE=PLACE. An outbox is a user's, and so are the units that empty it.
user_units := chancat-flush.service chancat-flush.timer
section = man$(subst .,,$(suffix $(1)))
name.bash = $(BASHDIR)/$(1)
name.zsh = $(ZSHDIR)/_$(1)
name.fish = $(FISHDIR)/$(1).fish
units := $(if $(SYSTEMDDIR),$(notdir $(wildcard contrib/systemd/*.service contrib/systemd/*.socket \
	contrib/systemd/*.timer)))
pages := $(notdir $(wildcard man/*.[1-8]))
places = $(foreach file,$(programs),$(file)=$(BINDIR)/$(notdir $(file))) \
	$(foreach file,$(pages),man/$(file)=$(MANDIR)/$(call section,$(file))/$(file)) \
	$(foreach file,$(completions),\
		$(file)=$(call name$(suffix $(file)),$(basename $(notdir $(file))))) \
	$(foreach file,$(units),contrib/systemd/$(file)=$(SYSTEMDDIR)/$(if \
		$(filter $(user_units),$(file)),user,system)/$(file))
# Directories that perhaps nobody else needs, the inner ones first.
own_directories = $(addprefix $(MANDIR)/,$(sort $(foreach file,$(pages),$(call section,$(file))))) \
	$(foreach directory,$(BASHDIR) $(ZSHDIR) $(FISHDIR),$(directory) $(dir $(directory))) \
	$(if $(SYSTEMDDIR),$(SYSTEMDDIR)/system $(SYSTEMDDIR)/user $(SYSTEMDDIR))

.PHONY: install uninstall dist deb check-packages clean help
install: all ## install programs, manual pages, completions and units under DESTDIR and PREFIX
	@set -e; for place in $(places); do \
		from=$${place%%=*} to='$(DESTDIR)'$${place#*=} mode=644; \
		case $$from in $(B)/chan*) mode=755 ;; esac; \
		echo "  INSTALL $$to"; \
		$(INSTALL) -d -m 755 "$${to%/*}"; \
		$(INSTALL) -m $$mode "$$from" "$$to"; \
		case $$from in contrib/systemd/*) \
			sed -e 's|^\(Exec[A-Za-z]*=\)/usr/bin/env |\1|' \
				-e 's|^\(Exec[A-Za-z]*=\)chancat|\1$(BINDIR)/chancat|' "$$from" >"$$to" ;; \
		esac; \
	done

# A directory that was made for it and is empty now goes, too; BINDIR, and what contains the others,
# stays.
uninstall: ## remove what install put there
	rm -f $(foreach place,$(places),'$(DESTDIR)'$(lastword $(subst =, ,$(place))))
	@rmdir $(addprefix '$(DESTDIR)',$(own_directories)) 2>/dev/null || true

# The same commit gives the same bytes, wherever it lies and whatever git is set to.
dist: ## build/chancat-VERSION.tar.gz from the last commit
	@[ -e .git ] || { echo 'make dist: it packs a commit, and this is no git checkout' >&2; exit 1; }
	@mkdir -p build
	git -c tar.umask=0022 -c core.autocrlf=false archive --format=tar \
		--prefix=chancat-$(VERSION)/ HEAD >build/chancat-$(VERSION).tar
	gzip -9nf build/chancat-$(VERSION).tar

deb: ## install what it needs, build Debian packages of the last commit in build/deb
	@$(INSTALL_DEPS) --packages
	contrib/packaging/deb $(VERSION)

check-packages: ## as root on Debian: install what it needs, build, try and purge the packages
	@$(INSTALL_DEPS) --packages
	@contrib/packaging/check $(VERSION)

clean: ## remove build/
	rm -rf build

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' Makefile | \
		while IFS='|' read -r name text; do printf '  %-14s %s\n' $$name "$$text"; done
	@echo '  variables: CC CFLAGS LDFLAGS PREFIX DESTDIR BINDIR MANDIR PKG_CONFIG V=1'
	@echo '             DEVELOPER=1 READLINE=0 POSTGRES=0 SANITIZE=address,undefined or thread'
	@echo "             make bench: ROWS='read send' (default all: tests/bench/run --list)"
	@echo "                         BENCH='--scale 0.01' (a quick look) or --json"
