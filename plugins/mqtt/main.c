/* main.c - the program `mqtt`. */
#include "sink.h"

int main(int argc, char *argv[])
{
	return gw_sink_main(&mqtt_sink, argc, argv);
}
