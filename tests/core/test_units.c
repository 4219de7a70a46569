/*
 * test_units.c - the table of units, seen from outside: what is accepted, what
 * people read, what a wrong spelling is answered with.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <string.h>

#include "base/text.h"
#include "core/units.c" /* the table itself is under test */

static void each_code_stands_once(void **state)
{
	(void)state;
	assert_true(COUNT(units) >= 120);
	for (size_t i = 0; i < COUNT(units); i++)
		for (size_t k = i + 1; k < COUNT(units); k++)
			assert_string_not_equal(units[i].code, units[k].code);
}

/* UCUM 1.0 section 2: printable ASCII, brackets and braces closed and not nested. */
static bool is_well_formed(const char *code)
{
	char open = 0;

	for (; *code; code++) {
		if (*code <= ' ' || *code > '~' || *code == '"')
			return false;
		if (open ? *code == '[' || *code == '{' : *code == ']' || *code == '}')
			return false;
		if (*code == '[' || *code == '{')
			open = *code;
		else if ((open == '[' && *code == ']') || (open == '{' && *code == '}'))
			open = 0;
	}
	return !open;
}

static void each_code_is_ascii_and_each_symbol_clean(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(units); i++) {
		if (!is_well_formed(units[i].code))
			fail_msg("%s", units[i].code);
		assert_true(gw_text_clean(units[i].symbol, strlen(units[i].symbol)));
		assert_true(strlen(units[i].symbol) <= 16);
	}
}

static void each_spelling_leads_to_a_code_and_is_none_itself(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(spellings); i++) {
		if (!gw_unit_symbol(spellings[i].code))
			fail_msg("%s is no code", spellings[i].code);
		if (gw_unit_symbol(spellings[i].symbol))
			fail_msg("%s is a code", spellings[i].symbol);
		if (!gw_unit_meant(spellings[i].symbol))
			fail_msg("%s has two meanings", spellings[i].symbol);
		assert_string_equal(gw_unit_meant(spellings[i].symbol), spellings[i].code);
	}
}

static void each_symbol_that_is_no_code_leads_to_a_code_with_that_symbol(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(units); i++) {
		const char *code = gw_unit_meant(units[i].symbol);

		if (!*units[i].symbol || gw_unit_symbol(units[i].symbol))
			continue;
		if (!code)
			fail_msg("%s leads nowhere", units[i].symbol);
		assert_non_null(gw_unit_symbol(code));
		assert_string_equal(gw_unit_meant(units[i].code), units[i].code);
	}
}

static void people_read_symbols(void **state)
{
	static const char *const wanted[][2] = {
		{ "Cel", "°C" }, { "kW.h", "kWh" }, { "V.A", "VA" }, { "kV.A", "kVA" }, { "V.A{reactive}", "var" },
		{ "kV.A{reactive}", "kvar" }, { "V.A.h{reactive}", "varh" }, { "kV.A.h{reactive}", "kvarh" },
		{ "[pH]", "pH" }, { "%", "%" }, { "{rotations}/min", "rpm" }, { "[ppm]", "ppm" }, { "lx", "lx" },
		{ "m3/h", "m³/h" }, { "uS/cm", "µS/cm" }, { "W/m2", "W/m²" }, { "deg", "°" }, { "{NTU}", "NTU" },
		{ "{vehicles}", "vehicles" }, { "1", "" }, { "Ohm", "Ω" }, { "ug/m3", "µg/m³" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(wanted); i++)
		assert_string_equal(gw_unit_symbol(wanted[i][0]), wanted[i][1]);
}

/* Every unit of the vocabulary and of the register maps that is valid UCUM. */
static void the_units_of_the_field_are_accepted(void **state)
{
	static const char *const field[] = {
		"%", "1", "1/min", "A", "A.h", "Cel", "Hz", "K", "V", "W", "W/m2", "[pH]", "[ppm]", "dB[SPL]", "deg",
		"g/m3", "hPa", "kHz", "kOhm", "kPa", "kW.h", "lx", "m", "m/s", "m3", "m3/h", "mS/cm", "mV", "mg/L",
		"mg/kg", "min", "mm", "mm/h", "s", "uS/cm", "ug/m3", "{NTU}", "{PSU}",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(field); i++)
		if (!gw_unit_symbol(field[i]))
			fail_msg("%s", field[i]);
}

static void wrong_spellings_are_refused_with_the_code_to_write(void **state)
{
	static const char *const wrong[][2] = {
		{ "kWh", "kW.h" }, { "kwh", "kW.h" }, { "KWH", "kW.h" }, { "°C", "Cel" }, { "C°", NULL },
		{ "VA", "V.A" }, { "var", "V.A{reactive}" }, { "VAR", "V.A{reactive}" }, { "kvar", "kV.A{reactive}" },
		{ "kvar.h", "kV.A.h{reactive}" }, { "kVA.h", "kV.A.h" }, { "%/Cel", "%/K" }, { "m³/h", "m3/h" },
		{ "m³ / h", "m3/h" }, { "pH", "[pH]" }, { "ph", "[pH]" }, { "ppm", "[ppm]" }, { "lux", "lx" },
		{ "rpm", "{rotations}/min" }, { "Wh", "W.h" }, { "HZ", "Hz" }, { "celsius", "Cel" }, { "deg C", "Cel" },
		{ "µS/cm", "uS/cm" }, { "μS/cm", "uS/cm" }, { "W/m²", "W/m2" }, { "NTU", "{NTU}" }, { "°", "deg" },
		{ "mw", NULL }, { "furlong", NULL }, { "", NULL }, { " ", NULL },
		{ "a text that is much longer than any unit of measure could ever sensibly be written", NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(wrong); i++) {
		const char *code = gw_unit_meant(wrong[i][0]);

		assert_null(gw_unit_symbol(wrong[i][0]));
		if (!code != !wrong[i][1] || (code && strcmp(code, wrong[i][1])))
			fail_msg("\"%s\" gives %s, not %s", wrong[i][0], code ? code : "nothing",
				 wrong[i][1] ? wrong[i][1] : "nothing");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_code_stands_once),
		cmocka_unit_test(each_code_is_ascii_and_each_symbol_clean),
		cmocka_unit_test(each_spelling_leads_to_a_code_and_is_none_itself),
		cmocka_unit_test(each_symbol_that_is_no_code_leads_to_a_code_with_that_symbol),
		cmocka_unit_test(people_read_symbols),
		cmocka_unit_test(the_units_of_the_field_are_accepted),
		cmocka_unit_test(wrong_spellings_are_refused_with_the_code_to_write),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
