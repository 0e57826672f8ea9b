// A bot with tests of its own, as functions. Run it from a clone that is set up:
//   node examples/voltage-bot.mjs HOST:PORT INSTANCE
// It needs Node 22.18 or newer; `npm run set-up` leaves one in node_modules/.bin where the machine has none.
import { createBot } from '../bot/create-bot.ts';

const [server = '127.0.0.1:50051', instance = 'line-1'] = process.argv.slice(2);

const bot = createBot({
  server,
  instance,
  botId: 'voltage-host-1',
  properties: { station: ['FFT'] },
  serials: { 'serials.mlb_serial_number': 'MLB-3001' },
  handlers: {
    voltage: async ({ args, measure, log }) => {
      const { limit = 12.5 } = args;
      const volts = 12.1; // A real test asks a meter.
      log(`read ${volts} V`);
      measure('rail_12v', volts, { unit: 'V', min: 11.5, max: limit });
      if (volts > limit) throw new Error(`12 V rail: ${volts} V is above ${limit} V`);
    },
  },
  log: (level, sentence) => process.stderr.write(`${level} ${sentence}\n`),
});

process.on('SIGTERM', () => bot.drain()).on('SIGINT', () => bot.drain());
const reason = await bot.run(new AbortController().signal);
process.exitCode = reason === 'drained' ? 0 : 1;
