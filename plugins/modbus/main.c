#include "plugins/modbus/source.h"

int main(int argc, char *argv[])
{
	return gw_source_main(&mb_source, argc, argv);
}
