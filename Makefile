# gatewayd - one Makefile, non-recursive.  `make help` lists the targets.
#
# B is the build folder; SAN=1 builds with ASan and UBSan into build/san.
CC ?= gcc
# V=1 shows the commands
Q := $(if $(V),,@)
SAN ?=
B ?= build/$(if $(SAN),san,release)
PREFIX ?= /usr
VERSION := 0.1.0
# numbering of readings never starts before this (a box without a clock): the commit's time
BUILD_MS := $(or $(shell git log -1 --format=%ct 2>/dev/null),1763596800)000

WARN := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wformat=2 -Wstrict-prototypes \
	-Wmissing-prototypes -Wvla -Wundef -Wswitch-enum -Werror
SANITIZE := -fsanitize=address -fsanitize=undefined
OPT := $(if $(SAN),-O1 -g $(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer,-O2 -g -D_FORTIFY_SOURCE=2)
CFLAGS += -std=c11 -D_GNU_SOURCE $(OPT) $(WARN) -fstack-protector-strong \
	-DGW_VERSION='"$(VERSION)"' -DGW_BUILD_MS=$(BUILD_MS)LL -Iinclude -Igatewayd -I.
LDFLAGS += $(if $(SAN),$(SANITIZE),-Wl$(comma)-z$(comma)relro$(comma)-z$(comma)now)

comma := ,

# ---- what is built from what: folders are rooms, main.c is a program's start ----
sources = $(filter-out %/main.c,$(wildcard $(1)/*.c))
objects = $(patsubst %.c,$(B)/obj/%.o,$(1))

PLUGINS := $(notdir $(patsubst %/,%,$(wildcard plugins/*/)))
BASE := $(call objects,$(call sources,gatewayd/base))
CORE := $(call objects,$(call sources,gatewayd/core))

LIBS_base := -lsystemd -lyaml -lz -lm
LIBS_core := -lsqlite3 -ljansson -lpthread
LIBS_ctl := -ljansson
LIBS_modbus := -lmodbus
LIBS_mqtt := -lpaho-mqtt3as -ljansson -lssl -lcrypto -lpthread

PROGRAMS := $(B)/gatewayd $(B)/gatewayctl $(PLUGINS:%=$(B)/plugins/%)
TEST_SOURCES := $(wildcard tests/base/test_*.c tests/core/test_*.c tests/modbus/test_*.c tests/mqtt/test_*.c)
TESTS := $(TEST_SOURCES:%.c=$(B)/%)

.PHONY: all clean
all: $(PROGRAMS) $(B)/plant $(B)/clock_shim.so $(B)/disk_shim.so

$(B)/obj/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC  $<"
	$(Q)$(CC) $(CFLAGS) -MMD -MP -c -o $@ $<

$(B)/libbase.a: $(BASE)
	@rm -f $@
	$(Q)$(AR) rcs $@ $^
$(B)/libcore.a: $(CORE)
	@rm -f $@
	$(Q)$(AR) rcs $@ $^

$(B)/gatewayd: $(B)/obj/gatewayd/core/main.o $(B)/libcore.a $(B)/libbase.a
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_core) $(LIBS_base)
$(B)/gatewayctl: $(call objects,$(wildcard gatewayd/ctl/*.c)) $(B)/libbase.a
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_ctl) $(LIBS_base)
$(B)/plant: $(call objects,$(wildcard tests/plant/*.c))
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ -lm
$(B)/%_shim.so: tests/e2e/%_shim.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -shared -fPIC $(LDFLAGS) -o $@ $<

# a plugin: plugins/NAME/*.c and the base library; its modules also as an archive for tests
define plugin
$(B)/lib$(1).a: $$(call objects,$$(call sources,plugins/$(1)))
	@rm -f $$@
	$$(AR) rcs $$@ $$^
$(B)/plugins/$(1): $(B)/obj/plugins/$(1)/main.o $(B)/lib$(1).a $(B)/libbase.a
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(LDFLAGS) -o $$@.new $$^ $$(LIBS_$(1)) $$(LIBS_base) && mv $$@.new $$@
endef
$(foreach p,$(PLUGINS),$(eval $(call plugin,$(p))))

# a test: its own file, the room it tests, and the base
$(B)/tests/base/test_%: $(B)/obj/tests/base/test_%.o $(B)/libbase.a
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ -lcmocka $(LIBS_base)
$(B)/tests/core/test_%: $(B)/obj/tests/core/test_%.o $(B)/libcore.a $(B)/libbase.a
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ -lcmocka $(LIBS_core) $(LIBS_base)
$(B)/tests/modbus/test_%: $(B)/obj/tests/modbus/test_%.o $(B)/libmodbus.a $(B)/libbase.a
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ -lcmocka $(LIBS_modbus) $(LIBS_base)
$(B)/tests/mqtt/test_%: $(B)/obj/tests/mqtt/test_%.o $(B)/libmqtt.a $(B)/libbase.a
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ -lcmocka $(LIBS_mqtt) $(LIBS_base)

.PHONY: tests
tests: $(TESTS)

# ---- fuzz targets: with libFuzzer (make fuzz), and over their corpora in make check ----
FUZZ := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_LIBS_modbus := $(B)/libmodbus.a
FUZZ_LIBS_control := $(B)/libcore.a
FUZZ_LIBS_command := $(B)/libmqtt.a
FUZZ_LIBS_profile := $(B)/libcore.a
FUZZ_LIBS_record := $(B)/libmodbus.a
FUZZ_LINK := $(LIBS_core) $(LIBS_modbus) $(LIBS_base)
define fuzz
$(B)/fuzz/$(1): $(B)/obj/tests/fuzz/fuzz_$(1).o $(B)/obj/tests/fuzz/replay.o $(FUZZ_LIBS_$(1)) $(B)/libbase.a
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(LDFLAGS) -o $$@ $$^ $$(FUZZ_LINK)
endef
$(foreach f,$(FUZZ),$(eval $(call fuzz,$(f))))
.PHONY: fuzz-replay fuzz
fuzz-replay: $(FUZZ:%=$(B)/fuzz/%)
# make fuzz SECONDS=60: each target with libFuzzer, findings in build/fuzz
SECONDS ?= 60
fuzz:
	@tests/fuzz/run $(SECONDS) $(FUZZ)

# ---- what a fresh machine lacks ----
PACKAGES := gcc make pkg-config git libpaho-mqtt-dev libmodbus-dev libsqlite3-dev libyaml-dev \
	libsystemd-dev libjansson-dev zlib1g-dev libssl-dev
TEST_PACKAGES := libcmocka-dev mosquitto mosquitto-clients iproute2 iptables python3 python3-pymodbus python3-paho-mqtt \
	python3-serial-asyncio python3-yaml mbpoll sqlite3 openssl
LINT_PACKAGES := clang clang-tidy cppcheck
BENCH_PACKAGES := collectd-core libmodbus5 libmosquitto1
# the packages of tests/npm: servers for test_npm, which fails when they are not to be had
NODE := node=nodejs npm=npm
NPM := build/npm
BROKER_PACKAGES := rabbitmq-server nats-server
BOX_PACKAGES := qemu-system-x86 nbdkit e2fsprogs busybox-static kmod cpio
.PHONY: deps deps-demo deps-build deps-lint deps-bench deps-brokers deps-power
deps:
	@tests/deps $(PACKAGES) $(TEST_PACKAGES) $(NODE)
	@tests/npm/install $(NPM) || true
deps-demo:
	@tests/deps $(PACKAGES) $(TEST_PACKAGES)
deps-build:
	@tests/deps $(PACKAGES)
deps-lint:
	@tests/deps $(PACKAGES) $(TEST_PACKAGES) $(LINT_PACKAGES)
deps-bench:
	@tests/deps $(PACKAGES) $(TEST_PACKAGES) $(BENCH_PACKAGES)

deps-brokers:
	@tests/deps $(PACKAGES) $(TEST_PACKAGES) $(BROKER_PACKAGES)
deps-power:
	@tests/deps $(PACKAGES) $(TEST_PACKAGES) $(BOX_PACKAGES)

# ---- the two commands of the README ----
.PHONY: demo check
demo: deps-demo
	@$(MAKE) --no-print-directory all
	@B=$(B) /usr/bin/python3 tests/demo.py

# unit, protocol and corpus tests under ASan and UBSan; end-to-end tests on the release build
check: deps
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@$(MAKE) --no-print-directory -j$(JOBS) SAN=1 tests fuzz-replay
	@$(MAKE) --no-print-directory generated-check
	@B=$(B) /usr/bin/python3 tests/run.py --python tests/e2e \
		$(foreach f,$(FUZZ),--fuzz build/san/fuzz/$(f) tests/fuzz/corpus/$(f)) \
		$(TEST_SOURCES:%.c=build/san/%)
JOBS ?= $(shell nproc)

.PHONY: bench coverage lint format
bench: deps-bench
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@B=$(B) /usr/bin/python3 tests/bench/bench.py
	@$(MAKE) --no-print-directory $(B)/bench_flash
	@$(B)/bench_flash
$(B)/bench_flash: $(B)/obj/tests/bench/bench_flash.o $(B)/libcore.a $(B)/libbase.a
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ -lcmocka $(LIBS_core) $(LIBS_base)

# the long forms, two hours in all: simulated lives, the fault campaign, 200 kills, and what waits for minutes
SEEDS ?= $(shell seq 1 20)
SOAK_SECONDS ?= 600
SOAK_JOBS ?= 7
SIMULATIONS ?= 10000
.PHONY: soak
soak: all $(B)/tests/core/test_simulation
	@SEEDS=1-$(SIMULATIONS) $(B)/tests/core/test_simulation
	@B=$(B) /usr/bin/python3 tests/soak/campaign.py --seconds $(SOAK_SECONDS) --jobs $(SOAK_JOBS) $(SEEDS)
	@B=$(B) /usr/bin/python3 tests/soak/campaign.py --kills 200 1
	@cd tests/e2e && LONG=1 B=$(B) /usr/bin/python3 -m unittest test_network
	@B=$(B) /usr/bin/python3 tests/soak/drain.py
# clusters of other brokers, a node killed under load
.PHONY: brokers
brokers: deps-brokers
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@cd tests/soak && B=$(B) /usr/bin/python3 -W ignore::DeprecationWarning -m unittest -v test_brokers

# a virtual machine with Debian's kernel: its plug is pulled, and it boots in 1970
.PHONY: power
power: deps-power
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@B=$(B) /usr/bin/python3 tests/soak/power.py --cuts $(CUTS) --clock $(CLOCK_SECONDS)
CUTS ?= 50
CLOCK_SECONDS ?= 300

coverage: deps
	@$(MAKE) --no-print-directory -j$(JOBS) B=build/coverage OPT="-O0 -g --coverage" LDFLAGS=--coverage all tests
	@/usr/bin/python3 tests/run.py $(TEST_SOURCES:%.c=build/coverage/%)
	@tests/coverage build/coverage

C_FILES := $(wildcard gatewayd/*/*.c plugins/*/*.c)
lint: deps-lint
	@tests/lint $(C_FILES)
format:
	clang-format -i $(wildcard include/gatewayd/*.h gatewayd/*/*.[ch] plugins/*/*.[ch] tests/*/*.[ch])

# ---- documents made from the tables ----
GENERATED := conf/gatewayd.yaml docs/configuration.md docs/plugin-protocol.md docs/gatewayd.schema.json \
	docs/gatewayd.8 docs/gatewayctl.1 docs/gatewayctl.bash
$(B)/document: $(call objects,$(wildcard tests/document/*.c)) $(B)/libcore.a $(B)/libmodbus.a $(B)/libmqtt.a $(B)/libbase.a
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_core) $(LIBS_modbus) $(LIBS_mqtt) $(LIBS_base)
.PHONY: generated generated-check
generated: $(B)/document $(B)/gatewayctl
	@tests/document/write $(B) .
generated-check: $(B)/document $(B)/gatewayctl
	@tests/document/write $(B) $(B)/generated
	@for f in $(GENERATED); do cmp -s $$f $(B)/generated/$$f || \
		{ echo "$$f is stale: run 'make generated'"; exit 1; }; done

# ---- install ----
# make install B=... installs what that folder holds; DESTDIR may be any, the programs find
# their plugins and profiles relative to themselves
LIBDIR := $(PREFIX)/lib
SHARE := $(PREFIX)/share
.PHONY: install
install: all
	install -d $(addprefix $(DESTDIR),$(PREFIX)/bin $(LIBDIR)/gatewayd/plugins $(LIBDIR)/pkgconfig \
		$(LIBDIR)/systemd/system $(LIBDIR)/sysusers.d $(PREFIX)/include/gatewayd \
		$(SHARE)/gatewayd/profiles $(SHARE)/man/man1 $(SHARE)/man/man8 $(SHARE)/doc/gatewayd/docs \
		$(SHARE)/doc/gatewayd/conf $(SHARE)/bash-completion/completions /etc/gatewayd)
	install -m 755 $(B)/gatewayd $(B)/gatewayctl $(DESTDIR)$(PREFIX)/bin
	install -m 755 $(PLUGINS:%=$(B)/plugins/%) $(DESTDIR)$(LIBDIR)/gatewayd/plugins
	install -m 644 include/gatewayd/*.h $(DESTDIR)$(PREFIX)/include/gatewayd
	install -m 644 $(B)/libbase.a $(DESTDIR)$(LIBDIR)/libgatewayd.a
	sed -e 's|@PREFIX@|$(PREFIX)|; s|@VERSION@|$(VERSION)|' include/gatewayd.pc.in \
		> $(DESTDIR)$(LIBDIR)/pkgconfig/gatewayd-plugin.pc
	install -m 644 conf/profiles/*.yaml $(DESTDIR)$(SHARE)/gatewayd/profiles
	install -m 644 conf/quantities.yaml $(DESTDIR)$(SHARE)/gatewayd
	install -m 644 docs/gatewayctl.1 $(DESTDIR)$(SHARE)/man/man1
	install -m 644 docs/gatewayd.8 $(DESTDIR)$(SHARE)/man/man8
	install -m 644 docs/gatewayctl.bash $(DESTDIR)$(SHARE)/bash-completion/completions/gatewayctl
	install -m 644 README.md README.vi.md $(DESTDIR)$(SHARE)/doc/gatewayd
	install -m 644 $(wildcard docs/*.md) docs/gatewayd.schema.json $(DESTDIR)$(SHARE)/doc/gatewayd/docs
	install -m 644 conf/gatewayd.yaml conf/demo.yaml $(DESTDIR)$(SHARE)/doc/gatewayd/conf
	sed -e 's|@PREFIX@|$(PREFIX)|' systemd/gatewayd.service > $(DESTDIR)$(LIBDIR)/systemd/system/gatewayd.service
	install -m 644 systemd/gatewayd.sysusers $(DESTDIR)$(LIBDIR)/sysusers.d/gatewayd.conf
	test -e $(DESTDIR)/etc/gatewayd/gatewayd.yaml || \
		install -m 644 conf/gatewayd.yaml $(DESTDIR)/etc/gatewayd/gatewayd.yaml

.PHONY: help
help:
	@sed -n 's/^## //p' Makefile

clean:
	rm -rf build

## make             build into build/release
## make demo        simulated devices, a broker, the daemon, and live telemetry (DEMO_SECONDS=N ends it)
## make check       all tests; ends with `N passed, N failed`
## make deps        install what is missing: from Debian, and the servers of tests/npm
## make install     [DESTDIR=] [PREFIX=/usr]
## make bench       figures beside Debian's collectd
## make soak        random faults under load, then the books must close (SEEDS="1 2 3" SOAK_SECONDS=60 SOAK_JOBS=2 SIMULATIONS=500)
## make brokers     three nodes of RabbitMQ and of NATS, one of them killed under load
## make power       the plug of a virtual machine is pulled, and one boots in 1970 (CUTS=50 CLOCK_SECONDS=300)
## make fuzz        libFuzzer on each parser of foreign bytes (SECONDS=60 each)
## make lint        clang build, clang-tidy, cppcheck
## make coverage    lines covered by the unit tests
## make format      clang-format
## make generated   sample configuration, reference, schema, protocol, manual pages from the tables
## make clean

.SECONDARY:
-include $(shell find $(B) -name '*.d' 2>/dev/null)
