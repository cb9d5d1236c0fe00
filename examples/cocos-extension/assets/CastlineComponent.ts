import { _decorator, Component, EventHandler } from 'cc';
import { connectCocos } from './connect';
import type { Client, Offer, Options } from './types';

const { ccclass, property, menu, disallowMultiple } = _decorator;

/** Clients by address and build: the next scene's component goes on with the one that runs. */
const running = new Map<string, Promise<Client>>();

/**
 * A client in a scene. Set `url` and `build` in the editor, and `token` from a script in its `onLoad`; the client connects in `start` and
 * goes on over scene changes. To end it, close the client.
 */
@ccclass('CastlineComponent')
@menu('Castline/CastlineComponent')
@disallowMultiple
export class CastlineComponent extends Component {
  @property({ tooltip: 'https://host of the Castline server; http only on your own network' })
  url = '';

  @property({ tooltip: 'The version of this build, such as 2.0.0' })
  build = '1.0.0';

  @property({ type: [EventHandler], tooltip: 'Called with the offer that readyForOffer got' })
  offerHandlers: EventHandler[] = [];

  @property({ type: [EventHandler], tooltip: 'Called when the client is there, and when its flags have changed: read them anew' })
  flagsHandlers: EventHandler[] = [];

  /** The player's token, or a function that asks your backend for it. */
  token: Options['token'] = '';

  private connected: Client | null = null;
  private listening: (() => void) | undefined;

  /** `null` until `start` has run, and after this component is gone. */
  get client(): Client | null {
    return this.connected;
  }

  async start(): Promise<void> {
    const key = `${this.url} ${this.build}`;
    try {
      let client = await (running.get(key) ?? this.connect(key));
      if (client.state === 'closed') client = await this.connect(key);
      // The scene may have gone meanwhile.
      if (!this.isValid) return;
      this.connected = client;
      this.listening = client.on('flagsChanged', () => this.tellFlags());
      this.tellFlags();
    } catch (error) {
      console.error(`CastlineComponent on ${this.node?.name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  onDestroy(): void {
    this.listening?.();
    this.listening = undefined;
    this.connected = null;
  }

  /** A break in play: the offer for it, or null. Calls `offerHandlers` too. */
  async readyForOffer(placement: string): Promise<Offer | null> {
    const offer = (await this.connected?.offers.ready(placement)) ?? null;
    if (offer && this.isValid) EventHandler.emitEvents(this.offerHandlers, offer);
    return offer;
  }

  private connect(key: string): Promise<Client> {
    const client = connectCocos({ url: this.url, build: this.build, token: this.token });
    running.set(key, client);
    // A bad option is no client to go on with.
    client.catch(() => running.delete(key));
    return client;
  }

  private tellFlags(): void {
    EventHandler.emitEvents(this.flagsHandlers, this.connected);
  }
}
