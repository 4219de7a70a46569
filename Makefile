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
LIBS_mqtt := -lpaho-mqtt3as -lssl -lcrypto -lpthread

PROGRAMS := $(B)/gatewayd $(B)/gatewayctl $(PLUGINS:%=$(B)/plugins/%)
TEST_SOURCES := $(wildcard tests/base/test_*.c tests/core/test_*.c tests/modbus/test_*.c tests/mqtt/test_*.c)
TESTS := $(TEST_SOURCES:%.c=$(B)/%)

.PHONY: all clean
all: $(PROGRAMS) $(B)/plant

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

clean:
	rm -rf build

.SECONDARY:
-include $(shell find $(B) -name '*.d' 2>/dev/null)
