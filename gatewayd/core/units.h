/*
 * units.h - units of measure: UCUM codes (unitsofmeasure.org, case sensitive),
 * what people read, and the spellings people write by mistake.
 *
 * One table.  A code is accepted when it is in the table; display spellings
 * (kWh, °C, VA, var, m³/h ...) are refused with the code to write.
 */
#ifndef GW_CORE_UNITS_H
#define GW_CORE_UNITS_H

/* Symbol for people ("°C" for "Cel", "kWh" for "kW.h"), or NULL when the code is not known. */
const char *gw_unit_symbol(const char *ucum);
/* The code that was probably meant by `text`, or NULL: "kWh" gives "kW.h". */
const char *gw_unit_meant(const char *text);

#endif
