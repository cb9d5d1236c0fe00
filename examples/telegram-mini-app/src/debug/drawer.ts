// The debug drawer: where the connection stands, what the flags say and why, what happened; and buttons for bad days.
// Only in development, and for testers: `?debug`, or a link of Telegram's with `?startapp=debug`.

import type { Client } from 'castline';
import type { Host } from '../live/host.js';
import { NAMES } from '../live/flags.js';
import type { Journal } from '../live/journal.js';
import type { Cable } from './cable.js';

const element = <K extends keyof HTMLElementTagNameMap>(tag: K, text = '', className = ''): HTMLElementTagNameMap[K] => {
  const made = document.createElement(tag);
  made.textContent = text;
  if (className) made.className = className;
  return made;
};

export class Drawer {
  private readonly root = element('aside', '', 'drawer');
  private readonly facts = element('dl', '', 'facts');
  private readonly flags = element('tbody');
  private readonly log = element('ol', '', 'log');
  private readonly toggle: HTMLButtonElement;
  private away = false;
  private written = 0;

  constructor(
    private readonly client: Client,
    private readonly host: Host,
    private readonly journal: Journal,
    private readonly cable: Cable,
    private readonly pause: (on: boolean) => void,
  ) {
    this.root.id = 'drawer';
    this.root.hidden = true;
    this.root.setAttribute('aria-label', 'Debug');
    this.toggle = document.querySelector('#debug') as HTMLButtonElement;
    this.toggle.hidden = false;
    this.toggle.setAttribute('aria-controls', 'drawer');
    this.toggle.setAttribute('aria-expanded', 'false');
    this.toggle.addEventListener('click', () => this.show(this.root.hidden));
    this.build();
    document.querySelector('#game')?.append(this.root);
    journal.on(() => this.root.hidden || this.writeLog());
    setInterval(() => this.root.hidden || this.write(), 250);
  }

  private show(on: boolean): void {
    this.root.hidden = !on;
    this.toggle.setAttribute('aria-expanded', `${on}`);
    if (!on) return;
    // It asks whether the connection is still good: a ping, and with it a round trip to show.
    if (!this.away) this.client.lifecycle('foreground');
    this.write();
  }

  private build(): void {
    const head = element('div', '', 'drawer-head');
    const close = element('button', 'Close', 'quiet');
    close.addEventListener('click', () => {
      this.show(false);
      this.toggle.focus();
    });
    head.append(element('h2', 'Debug'), element('span', HOSTS[this.host.kind], 'badge'), close);

    const buttons = element('div', '', 'buttons');
    const cut = element('button', 'Cut the network');
    cut.addEventListener('click', () => {
      this.cable.set(!this.cable.cut);
      cut.textContent = this.cable.cut ? 'Mend the network' : 'Cut the network';
      cut.setAttribute('aria-pressed', `${this.cable.cut}`);
      this.journal.note('call', this.cable.cut ? 'the network is cut' : 'the network is back');
      // As the browser would say it.
      this.client.lifecycle(this.cable.cut ? 'network-lost' : 'network-changed');
    });
    const away = element('button', 'Go to the background');
    away.addEventListener('click', () => {
      this.away = !this.away;
      away.textContent = this.away ? 'Come back' : 'Go to the background';
      away.setAttribute('aria-pressed', `${this.away}`);
      this.journal.note('call', this.away ? 'the app is deactivated' : 'the app is activated');
      this.host.away(this.client, this.away);
      this.pause(this.away);
    });
    const apply = element('button', 'Apply flags now');
    apply.addEventListener('click', () => {
      this.journal.note('call', 'flags.apply');
      this.client.flags.apply();
      this.write();
    });
    const again = element('button', 'Connect now');
    again.addEventListener('click', () => {
      this.journal.note('call', 'reconnect');
      this.client.reconnect();
    });
    for (const button of [cut, away, apply, again]) button.type = 'button';
    buttons.append(cut, away, apply, again);

    const table = element('table');
    const row = element('tr');
    for (const name of ['Flag', 'Value', 'Reason']) {
      const cell = element('th', name);
      cell.scope = 'col';
      row.append(cell);
    }
    const top = element('thead');
    top.append(row);
    table.append(top, this.flags);
    this.log.tabIndex = 0;
    this.log.setAttribute('aria-label', 'Events');
    this.root.append(head, this.facts, buttons, element('h3', 'Flags'), table, element('h3', 'Events'), this.log);
  }

  private write(): void {
    const { client, cable } = this;
    const trip = cable.roundTrip === undefined ? 'not yet' : `${cable.roundTrip.toFixed(cable.roundTrip < 10 ? 1 : 0)} ms`;
    const facts: Record<string, string> = {
      State: client.state,
      Cause: this.journal.cause,
      'Round trip': trip,
      'Server, UTC': new Date(client.serverTime).toISOString().slice(11, 19),
    };
    this.facts.replaceChildren(
      ...Object.entries(facts).map(([name, value]) => {
        const pair = element('div');
        const what = element('dd', value);
        what.dataset['fact'] = name.toLowerCase().replace(/\W+/, '-');
        pair.append(element('dt', name), what);
        return pair;
      }),
    );
    const { flags } = client;
    this.flags.replaceChildren(
      ...Object.values(NAMES).map((name) => {
        const row = element('tr');
        const value = flags.json<unknown>(name, undefined);
        const head = element('th', name);
        head.scope = 'row';
        row.append(head, element('td', value === undefined ? 'the default' : JSON.stringify(value)), element('td', flags.reason(name)));
        return row;
      }),
    );
    this.writeLog();
  }

  private writeLog(): void {
    const { lines } = this.journal;
    const last = lines[lines.length - 1]?.at ?? 0;
    if (this.written === last + lines.length) return;
    this.written = last + lines.length;
    this.log.replaceChildren(
      ...[...lines].reverse().map(({ at, what, text }) => {
        const line = element('li');
        line.append(element('time', new Date(at).toISOString().slice(14, 23)), element('b', what), ` ${text}`);
        return line;
      }),
    );
  }
}

const HOSTS = { telegram: 'Telegram', mock: 'Telegram: a mock', guest: 'Guest' };
