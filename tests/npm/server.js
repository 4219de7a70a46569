/*
 * server.js - Modbus servers that nobody here wrote: the packages modbus-serial and jsmodbus.
 *
 *     node server.js modbus-serial|jsmodbus tcp PORT TABLES
 *     node server.js modbus-serial|jsmodbus rtu PATH TABLES      19200 8N1
 *
 * TABLES is JSON: {"holding": [...], "input": [...], "coil": [...], "discrete": [...]}, each the
 * values from address 0.  modbus-serial asks us for each value and is told exception 2 where there
 * is none; jsmodbus holds the tables itself.  Prints "ready" once it serves.
 */
"use strict";

const fs = require("fs");
const net = require("net");

const [library, way, where, file] = process.argv.slice(2);
const tables = JSON.parse(fs.readFileSync(file));
const ready = () => console.log("ready");

function modbusSerial() {
	const { ServerTCP, ServerSerial } = require("modbus-serial");
	const get = (name) => (address) => {
		if (address >= tables[name].length)
			throw { modbusErrorCode: 2 };
		return tables[name][address];
	};
	const set = (name) => (address, value) => {
		get(name)(address);
		tables[name][address] = value;
	};
	const vector = {
		getCoil: get("coil"), getDiscreteInput: get("discrete"), getInputRegister: get("input"),
		getHoldingRegister: get("holding"), setCoil: set("coil"), setRegister: set("holding"),
		readDeviceIdentification: () => ({ 0: "An Phu", 1: "SRV-1", 2: "2.1", 4: "Server one" }),
	};
	const server = way === "tcp" ? new ServerTCP(vector, { host: "127.0.0.1", port: Number(where), unitID: 1 })
		: new ServerSerial(vector, { path: where, baudRate: 19200, unitID: 1, interval: 5 });
	server.on("initialized", ready);
	for (const trouble of ["error", "serverError", "socketError"])
		server.on(trouble, (e) => console.error(trouble, e));
}

function words(values) {
	const out = Buffer.alloc(values.length * 2);
	values.forEach((v, i) => out.writeUInt16BE(v, 2 * i));
	return out;
}

function bits(values) {
	const out = Buffer.alloc(Math.ceil(values.length / 8));
	values.forEach((v, i) => { out[i >> 3] |= v << (i & 7); });
	return out;
}

function jsmodbus() {
	const { server } = require("jsmodbus");
	const options = { holding: words(tables.holding), input: words(tables.input), coils: bits(tables.coil),
		discrete: bits(tables.discrete) };
	if (way === "tcp") {
		const listener = net.createServer();
		new server.TCP(listener, options);
		listener.listen(Number(where), "127.0.0.1", ready);
	} else {
		const { SerialPort } = require("serialport");
		const port = new SerialPort({ path: where, baudRate: 19200 }, (e) => e ? console.error(e) : ready());
		new server.RTU(port, options);
	}
}

({ "modbus-serial": modbusSerial, jsmodbus })[library]();
