// A callboard worker in one file: Node 20, no package.
//
//   node worker.mjs --server http://127.0.0.1:8700 --label resize
//
// It claims tasks by their label, does them, and reports. The token, if the server wants one,
// comes from CALLBOARD_TOKEN. SIGTERM lets the task that runs end, and claims nothing more.

import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { hostname } from 'node:os';

const { values: options } = parseArgs({
  options: {
    server: { type: 'string', default: process.env.CALLBOARD_SERVER ?? 'http://127.0.0.1:8700' },
    label: { type: 'string', multiple: true },
    name: { type: 'string', default: `${hostname()}-${process.pid}` },
    lease: { type: 'string', default: '30' },
  },
});
const LEASE_SECONDS = Number(options.lease);
const WAIT_SECONDS = 20;

// --- the work: one function for each label -------------------------------------------------------

const HANDLERS = {
  async resize(task) {
    const { width, steps = 3 } = task.inputs;
    if (!(width > 0)) throw new Error(`width must be more than 0, not ${width}`);
    for (let step = 1; step <= steps; step += 1) {
      task.signal.throwIfAborted();
      await task.progress(step / steps, `step ${step} of ${steps}`);
    }
    return { width, height: Math.round((width * 3) / 4) };
  },
};

// --- the protocol --------------------------------------------------------------------------------

class Stale extends Error {}

/** Ask the server, and again while it is away: everything asked here may be asked twice. */
async function ask(path, body) {
  const headers = { 'content-type': 'application/json' };
  if (process.env.CALLBOARD_TOKEN) headers.authorization = `Bearer ${process.env.CALLBOARD_TOKEN}`;
  for (let wait = 0.1; ; wait = Math.min(5, wait * 2)) {
    let response;
    try {
      response = await fetch(options.server + path, {
        method: 'POST',
        headers,
        body: JSON.stringify(body),
        signal: AbortSignal.timeout((WAIT_SECONDS + 30) * 1000),
      });
      if (response.ok) return await response.json();
    } catch (error) {
      console.error(`${options.server} cannot be reached: ${error.cause?.message ?? error.message}`);
    }
    if (response && response.status < 500 && response.status !== 429) {
      const problem = await response.json().catch(() => ({}));
      if (response.status === 409) throw new Stale(problem.detail);
      throw new Error(problem.detail ?? `the server answered ${response.status}`);
    }
    await sleep(1000 * wait * (0.5 + Math.random() / 2));
  }
}

/** A claimed task. What is said has a number: said again, it gets the first answer. */
class Task {
  #seq = 0;
  #turn = Promise.resolve();
  #lost = new AbortController();

  constructor(lease) {
    Object.assign(this, lease);
    this.signal = this.#lost.signal;
  }

  /** Say something, after all that was said before. */
  say(command) {
    const seq = ++this.#seq;
    const path = `/api/v1/leases/${encodeURIComponent(this.fence)}/commands`;
    const said = this.#turn.then(async () => {
      const { results } = await ask(path, { seq, commands: [command] });
      if (!results[0].ok) throw new Error(results[0].error.message);
      return results[0];
    });
    this.#turn = said.catch(() => {});
    return said.catch((error) => {
      if (error instanceof Stale) this.#lost.abort(error);
      throw error;
    });
  }

  progress(fraction, message) {
    return this.say({ type: 'progress', fraction, message });
  }

  log(message) {
    return this.say({ type: 'log', message });
  }
}

async function perform(lease) {
  const task = new Task(lease);
  const renewal = setInterval(
    () => task.say({ type: 'heartbeat' }).catch(() => {}),
    (LEASE_SECONDS * 1000) / 3,
  );
  try {
    let word;
    try {
      word = { type: 'success', output: (await HANDLERS[task.label](task)) ?? null };
    } catch (error) {
      if (error instanceof Stale) throw error;
      word = { type: 'error', message: `${error.name}: ${error.message}` };
    }
    await task.say(word);
    console.log(`${word.type}: ${task.label} of run ${task.run}`);
  } catch (error) {
    console.error(`${task.label} of run ${task.run}: ${error.message}`);
  } finally {
    clearInterval(renewal);
  }
}

let busy = false;
let stopping = false;
for (const name of ['SIGTERM', 'SIGINT']) {
  process.on(name, () => {
    if (stopping || !busy) process.exit(0);
    stopping = true;
  });
}

const labels = options.label ?? Object.keys(HANDLERS);
console.log(`worker ${options.name} does ${labels.join(', ')} for ${options.server}`);
while (!stopping) {
  const claim = { worker: options.name, labels, wait: WAIT_SECONDS, lease: LEASE_SECONDS };
  for (const lease of (await ask('/api/v1/board/claim', claim)).leases) {
    busy = true;
    await perform(lease);
    busy = false;
  }
}
