/*
 * units.c - the units of the field (see units.h).
 *
 * Codes are UCUM as published (case sensitive).  What UCUM has no unit for
 * is a bare annotation in braces, which it reads as the number one.  Look-ups happen
 * while a configuration is checked, so plain scans will do.
 */
#include "core/units.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

struct unit {
	const char *code, *symbol;
};

static const struct unit units[] = {
	/* numbers and ratios */
	{ "1", "" }, { "%", "%" }, { "%{RH}", "%RH" }, { "%/K", "%/K" }, { "[ppth]", "‰" },
	{ "[ppm]", "ppm" }, { "[ppb]", "ppb" }, { "dB", "dB" }, { "dB[SPL]", "dB" }, { "dB{A}", "dB(A)" },
	{ "dB{mW}", "dBm" },
	/* electricity */
	{ "V", "V" }, { "mV", "mV" }, { "uV", "µV" }, { "kV", "kV" },
	{ "A", "A" }, { "mA", "mA" }, { "uA", "µA" }, { "kA", "kA" },
	{ "W", "W" }, { "mW", "mW" }, { "kW", "kW" }, { "MW", "MW" }, { "GW", "GW" },
	{ "V.A", "VA" }, { "kV.A", "kVA" }, { "MV.A", "MVA" },
	{ "V.A{reactive}", "var" }, { "kV.A{reactive}", "kvar" }, { "MV.A{reactive}", "Mvar" },
	{ "W.h", "Wh" }, { "kW.h", "kWh" }, { "MW.h", "MWh" }, { "GW.h", "GWh" },
	{ "V.A.h", "VAh" }, { "kV.A.h", "kVAh" }, { "MV.A.h", "MVAh" },
	{ "V.A.h{reactive}", "varh" }, { "kV.A.h{reactive}", "kvarh" }, { "MV.A.h{reactive}", "Mvarh" },
	{ "A.h", "Ah" }, { "mA.h", "mAh" }, { "kA.h", "kAh" }, { "C", "C" },
	{ "Ohm", "Ω" }, { "mOhm", "mΩ" }, { "kOhm", "kΩ" }, { "MOhm", "MΩ" },
	{ "S", "S" }, { "mS", "mS" }, { "uS", "µS" }, { "F", "F" }, { "uF", "µF" }, { "nF", "nF" },
	{ "H", "H" }, { "mH", "mH" }, { "T", "T" }, { "mT", "mT" }, { "uT", "µT" }, { "V/m", "V/m" },
	/* conductivity of water and soil */
	{ "S/m", "S/m" }, { "mS/m", "mS/m" }, { "mS/cm", "mS/cm" }, { "uS/cm", "µS/cm" }, { "dS/m", "dS/m" },
	/* rates and counts */
	{ "Hz", "Hz" }, { "mHz", "mHz" }, { "kHz", "kHz" }, { "MHz", "MHz" }, { "GHz", "GHz" },
	{ "{rotations}/min", "rpm" }, { "/s", "1/s" }, { "/min", "1/min" }, { "1/min", "1/min" }, { "/h", "1/h" },
	{ "/d", "1/d" }, { "{pulses}", "pulses" }, { "{starts}", "starts" }, { "{cycles}", "cycles" },
	{ "{events}", "events" }, { "{vehicles}", "vehicles" }, { "{vehicles}/min", "vehicles/min" },
	{ "{vehicles}/h", "vehicles/h" }, { "{vehicles}/d", "vehicles/d" }, { "{vehicles}/km", "vehicles/km" },
	{ "{persons}", "persons" }, { "{VND}", "₫" },
	/* time */
	{ "s", "s" }, { "ms", "ms" }, { "us", "µs" }, { "ns", "ns" }, { "min", "min" }, { "h", "h" }, { "d", "d" },
	{ "wk", "weeks" }, { "mo", "months" }, { "a", "years" },
	/* temperature */
	{ "Cel", "°C" }, { "K", "K" }, { "[degF]", "°F" },
	/* length, area, volume */
	{ "m", "m" }, { "mm", "mm" }, { "cm", "cm" }, { "km", "km" }, { "um", "µm" }, { "nm", "nm" },
	{ "[in_i]", "in" }, { "[ft_i]", "ft" }, { "[mi_i]", "mi" },
	{ "m2", "m²" }, { "cm2", "cm²" }, { "mm2", "mm²" }, { "km2", "km²" }, { "har", "ha" },
	{ "m3", "m³" }, { "dm3", "dm³" }, { "cm3", "cm³" }, { "L", "L" }, { "mL", "mL" }, { "hL", "hL" },
	{ "[gal_us]", "gal" },
	/* flow, speed, acceleration */
	{ "m3/h", "m³/h" }, { "m3/s", "m³/s" }, { "m3/min", "m³/min" }, { "m3/d", "m³/d" },
	{ "L/s", "L/s" }, { "L/min", "L/min" }, { "L/h", "L/h" }, { "L/d", "L/d" }, { "mL/min", "mL/min" },
	{ "m/s", "m/s" }, { "m/min", "m/min" }, { "m/h", "m/h" }, { "km/h", "km/h" }, { "cm/s", "cm/s" },
	{ "mm/s", "mm/s" }, { "[kn_i]", "kn" }, { "[mi_i]/h", "mph" }, { "m/s2", "m/s²" }, { "mm/s2", "mm/s²" },
	{ "[g]", "g₀" }, { "mm2/s", "mm²/s" },
	/* rain */
	{ "mm/h", "mm/h" }, { "mm/min", "mm/min" }, { "mm/d", "mm/d" }, { "L/m2", "L/m²" },
	/* mass, density, concentration */
	{ "g", "g" }, { "mg", "mg" }, { "ug", "µg" }, { "kg", "kg" }, { "t", "t" },
	{ "kg/s", "kg/s" }, { "kg/min", "kg/min" }, { "kg/h", "kg/h" }, { "t/h", "t/h" },
	{ "kg/m3", "kg/m³" }, { "g/m3", "g/m³" }, { "mg/m3", "mg/m³" }, { "ug/m3", "µg/m³" }, { "kg/L", "kg/L" },
	{ "g/L", "g/L" }, { "mg/L", "mg/L" }, { "ug/L", "µg/L" }, { "g/kg", "g/kg" }, { "mg/kg", "mg/kg" },
	{ "g/cm3", "g/cm³" }, { "mol/L", "mol/L" }, { "mmol/L", "mmol/L" }, { "mol/m3", "mol/m³" },
	/* water quality */
	{ "[pH]", "pH" }, { "{NTU}", "NTU" }, { "{FNU}", "FNU" }, { "{FTU}", "FTU" }, { "{PSU}", "PSU" },
	{ "[CFU]", "CFU" },
	/* pressure, force, torque, viscosity */
	{ "Pa", "Pa" }, { "hPa", "hPa" }, { "kPa", "kPa" }, { "MPa", "MPa" }, { "bar", "bar" }, { "mbar", "mbar" },
	{ "atm", "atm" }, { "[psi]", "psi" }, { "mm[Hg]", "mmHg" }, { "mm[H2O]", "mmH₂O" }, { "cm[H2O]", "cmH₂O" },
	{ "m[H2O]", "mH₂O" }, { "N", "N" }, { "kN", "kN" }, { "N.m", "N·m" }, { "kN.m", "kN·m" },
	{ "Pa.s", "Pa·s" }, { "mPa.s", "mPa·s" },
	/* heat and fuel */
	{ "J", "J" }, { "kJ", "kJ" }, { "MJ", "MJ" }, { "GJ", "GJ" }, { "kcal", "kcal" }, { "[HP]", "hp" },
	{ "[Btu_IT]", "BTU" }, { "[Btu_IT]/h", "BTU/h" }, { "kJ/kg", "kJ/kg" }, { "g/(kW.h)", "g/kWh" },
	/* light and sun */
	{ "lx", "lx" }, { "klx", "klx" }, { "lm", "lm" }, { "cd", "cd" }, { "cd/m2", "cd/m²" },
	{ "W/m2", "W/m²" }, { "kW/m2", "kW/m²" }, { "W.h/m2", "Wh/m²" }, { "kW.h/m2", "kWh/m²" },
	{ "J/m2", "J/m²" }, { "MJ/m2", "MJ/m²" }, { "umol/(m2.s)", "µmol/(m²·s)" }, { "umol/m2/s", "µmol/m²/s" },
	{ "{UVI}", "UVI" },
	/* angle */
	{ "deg", "°" }, { "rad", "rad" }, { "rad/s", "rad/s" }, { "deg/s", "°/s" },
	/* data */
	{ "By", "B" }, { "kBy", "kB" }, { "MBy", "MB" }, { "GBy", "GB" }, { "bit", "bit" }, { "bit/s", "bit/s" },
	{ "kbit/s", "kbit/s" }, { "Mbit/s", "Mbit/s" }, { "By/s", "B/s" },
};

/* What people write besides the symbols above. */
static const struct unit spellings[] = {
	{ "1", "none" }, { "1", "-" }, { "1", "unitless" }, { "1", "cosφ" }, { "1", "cos phi" },
	{ "%", "percent" }, { "%", "pct" }, { "%", "％" }, { "%/K", "%/Cel" }, { "%/K", "%/°C" }, { "%/K", "%/C" },
	{ "dB{A}", "dBA" }, { "dB{A}", "dB[A]" }, { "dB[SPL]", "dB SPL" },
	{ "V", "volt" }, { "V", "volts" }, { "V", "Vdc" }, { "V", "Vac" }, { "uV", "μV" },
	{ "A", "amp" }, { "A", "amps" }, { "A", "ampere" }, { "uA", "μA" }, { "W", "watt" }, { "W", "watts" },
	{ "V.A", "V·A" }, { "kV.A", "kV·A" }, { "MV.A", "MV·A" }, { "V.A{reactive}", "V.A[reactive]" },
	{ "V.A{reactive}", "VAr" }, { "kV.A{reactive}", "kVAr" }, { "MV.A{reactive}", "MVAr" },
	{ "W.h", "W·h" }, { "kW.h", "kW·h" }, { "kW.h", "kW-h" }, { "kW.h", "kW*h" }, { "MW.h", "MW·h" },
	{ "V.A.h", "VA.h" }, { "kV.A.h", "kVA.h" }, { "MV.A.h", "MVA.h" }, { "V.A.h{reactive}", "V.A{reactive}.h" },
	{ "V.A.h{reactive}", "var.h" }, { "kV.A.h{reactive}", "kvar.h" }, { "MV.A.h{reactive}", "Mvar.h" },
	{ "kV.A.h{reactive}", "kV.A{reactive}.h" }, { "A.h", "A·h" },
	{ "Ohm", "Ω" }, { "kOhm", "kΩ" }, { "Ohm", "ohms" }, { "uS", "μS" }, { "uF", "μF" },
	{ "uS/cm", "μS/cm" }, { "Hz", "hertz" }, { "Hz", "cps" },
	{ "{rotations}/min", "r/min" }, { "{rotations}/min", "rev/min" }, { "{rotations}/min", "vòng/phút" },
	{ "/min", "min-1" }, { "/s", "s-1" }, { "{vehicles}", "vehicle" }, { "{vehicles}", "cars" },
	{ "{vehicles}", "xe" }, { "{vehicles}/h", "veh/h" }, { "{vehicles}/h", "xe/h" }, { "{vehicles}/h", "vph" },
	{ "{vehicles}/km", "veh/km" }, { "{pulses}", "pulse" }, { "{VND}", "VND" }, { "{VND}", "đ" },
	{ "s", "sec" }, { "s", "secs" }, { "s", "second" }, { "s", "seconds" }, { "us", "μs" },
	{ "min", "mins" }, { "min", "minute" }, { "min", "minutes" }, { "h", "hr" }, { "h", "hrs" }, { "h", "hour" },
	{ "h", "hours" }, { "d", "day" }, { "d", "days" }, { "wk", "week" }, { "mo", "month" }, { "a", "year" },
	{ "Cel", "degC" }, { "Cel", "deg C" }, { "Cel", "celsius" }, { "Cel", "℃" }, { "Cel", "ºC" },
	{ "Cel", "oC" }, { "K", "°K" }, { "K", "kelvin" }, { "[degF]", "degF" }, { "[degF]", "fahrenheit" },
	{ "m", "meter" }, { "m", "metre" }, { "m", "meters" }, { "um", "μm" }, { "[in_i]", "inch" },
	{ "m2", "m^2" }, { "m2", "sqm" }, { "har", "hectare" }, { "m3", "m^3" }, { "m3", "cbm" },
	{ "L", "l" }, { "L", "liter" }, { "L", "litre" }, { "L", "liters" }, { "L", "lít" }, { "mL", "ml" },
	{ "m3/h", "m^3/h" }, { "m3/h", "m3/hr" }, { "m3/h", "m³/hr" }, { "m3/h", "cmh" }, { "m3/d", "m³/day" },
	{ "m3/d", "m3/day" }, { "L/s", "l/s" }, { "L/s", "lps" }, { "L/min", "l/min" }, { "L/min", "lpm" },
	{ "L/h", "l/h" }, { "km/h", "kph" }, { "km/h", "kmh" }, { "m/s", "mps" }, { "m/s2", "m/s^2" },
	{ "[kn_i]", "knot" }, { "[kn_i]", "knots" }, { "mm/h", "mm/hr" }, { "mm/d", "mm/day" },
	{ "t", "ton" }, { "t", "tonne" }, { "ug", "μg" }, { "ug/m3", "μg/m³" }, { "ug/m3", "ug/m³" },
	{ "ug/m3", "μg/m3" }, { "mg/L", "mg/l" }, { "ug/L", "ug/l" }, { "ug/L", "μg/L" }, { "g/L", "g/l" },
	{ "kg/m3", "kg/m^3" }, { "[pH]", "pH units" }, { "[pH]", "{pH}" }, { "{NTU}", "[NTU]" }, { "{FNU}", "[FNU]" },
	{ "{PSU}", "[PSU]" }, { "[ppth]", "ppt" }, { "[ppm]", "{ppm}" }, { "[ppb]", "{ppb}" },
	{ "bar", "bars" }, { "[psi]", "PSI" }, { "atm", "atmosphere" }, { "mm[Hg]", "torr" },
	{ "m[H2O]", "mH2O" }, { "m[H2O]", "mWC" }, { "mm[H2O]", "mmH2O" }, { "cm[H2O]", "cmH2O" },
	{ "N.m", "Nm" }, { "kN.m", "kNm" }, { "Pa.s", "Pa s" }, { "mPa.s", "cP" }, { "mm2/s", "cSt" },
	{ "[HP]", "HP" }, { "[Btu_IT]", "Btu" }, { "[Btu_IT]/h", "Btu/h" },
	{ "lx", "lux" }, { "klx", "klux" }, { "lm", "lumen" }, { "W/m2", "W/m^2" }, { "kW.h/m2", "kWh/m2" },
	{ "W.h/m2", "Wh/m2" }, { "umol/(m2.s)", "umol/m²/s" }, { "umol/(m2.s)", "μmol/m²/s" },
	{ "umol/(m2.s)", "µmol/m²s" }, { "deg", "º" }, { "deg", "degree" }, { "deg", "degrees" },
	{ "By", "byte" }, { "By", "bytes" }, { "kBy", "kByte" }, { "MBy", "MByte" }, { "bit/s", "bps" },
	{ "kbit/s", "kbps" }, { "Mbit/s", "Mbps" },
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

typedef int compare_fn(const char *a, const char *b);

static const struct unit *find_code(const char *code)
{
	for (size_t i = 0; i < COUNT(units); i++)
		if (!strcmp(units[i].code, code))
			return &units[i];
	return NULL;
}

const char *gw_unit_symbol(const char *ucum)
{
	const struct unit *u = find_code(ucum);

	return u ? u->symbol : NULL;
}

/* Does one code alone fit?  *found: it, or NULL.  False: two different ones fit. */
static bool add_fits(const struct unit *table, size_t n, const char *text, compare_fn *compare,
		     const char **found)
{
	for (size_t i = 0; i < n; i++) {
		if (compare(table[i].symbol, text) && compare(table[i].code, text))
			continue;
		if (*found && strcmp(*found, table[i].code))
			return false;
		*found = table[i].code;
	}
	return true;
}

static const char *only_fit(const char *text, compare_fn *compare)
{
	const char *found = NULL;

	if (!*text || !add_fits(units, COUNT(units), text, compare, &found) ||
	    !add_fits(spellings, COUNT(spellings), text, compare, &found))
		return NULL;
	return found;
}

/* The exact spelling of any table counts before one that differs in case: mW and
 * MW are a thousand million apart, so "mw" gets no guess. */
static const char *meant(const char *text)
{
	static compare_fn *const ways[] = { strcmp, strcasecmp };
	const struct unit *exact = find_code(text);
	const char *found = exact ? exact->code : NULL;

	for (size_t i = 0; !found && i < COUNT(ways); i++)
		found = only_fit(text, ways[i]);
	return found;
}

const char *gw_unit_meant(const char *text)
{
	char tight[64];
	size_t n = 0;
	const char *found = meant(text);

	if (found)
		return found;
	for (const char *p = text; *p && n < sizeof(tight) - 1; p++)
		if (*p != ' ')
			tight[n++] = *p;
	tight[n] = '\0';
	return meant(tight);
}
