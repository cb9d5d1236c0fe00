// A break of the game: the right moment for an offer, and no other. The player never waits for it longer than he would notice.

import type { Client, Offer } from 'castline';
import { payOffer } from 'castline/telegram';
import type { Bought, OfferDialog } from '../ui/offer-dialog.js';
import type { GameFlags } from './flags.js';
import type { Journal } from './journal.js';

/** How long somebody who wants to go on is held back for an answer that is not there yet. */
const PATIENCE = 400;

/** What the demo's campaigns put into `data`. Anything may be missing. */
export interface Goods {
  pearls?: number;
  rod?: 'golden';
  contents?: string[];
  art?: 'chest' | 'rod';
  invoiceUrl?: string;
}

export class Breaks {
  private asked: Promise<Offer | null> | undefined;
  private shown: string | undefined;

  constructor(
    private readonly client: Client,
    private readonly dialog: OfferDialog,
    private readonly journal: Journal,
    private readonly inTelegram: boolean,
    private readonly flags: () => GameFlags,
    private readonly give: (goods: Goods) => void,
  ) {
    client.on('offerExpired', ({ offerId }) => {
      if (offerId === this.shown) dialog.expire();
    });
  }

  /** The fish hangs in the air, its card is shown: whatever comes now disturbs nobody. */
  begin(placement: string, context: Record<string, string | number>): void {
    this.journal.note('call', `offers.ready ${placement}`);
    this.asked = this.client.offers.ready(placement, { context, leaseMs: 10_000 }).then(
      (offer) => {
        this.journal.note('answer', offer ? `offer ${offer.offerId} "${offer.title}"` : 'no offer');
        return offer;
      },
      // The client was closed.
      () => null,
    );
  }

  /** The player goes on. An offer that has come is shown; one that has not waits for the next break. */
  async end(): Promise<void> {
    const { asked } = this;
    this.asked = undefined;
    if (!asked) return;
    const late = await Promise.race([asked.then(() => false), new Promise<true>((resolve) => setTimeout(() => resolve(true), PATIENCE))]);
    if (late && this.client.state !== 'closed') {
      this.journal.note('call', 'offers.notReady');
      this.client.offers.notReady();
    }
    const offer = await asked;
    if (offer && offer.expiresAt > this.client.serverTime) await this.show(offer);
  }

  private async show(offer: Offer): Promise<void> {
    const { client, dialog } = this;
    const goods = (offer.data ?? {}) as Goods;
    this.shown = offer.offerId;
    this.result(offer, 'shown');
    const flags = this.flags();
    const verdict = await dialog.show(offer, goods, flags, () => offer.expiresAt - client.serverTime, () => this.buy(offer, goods, flags));
    this.shown = undefined;
    if (verdict === 'declined') this.result(offer, 'declined');
    // `expired` is reported by the SDK itself.
  }

  /** The real thing in Telegram, where the campaign has an invoice; else a purchase that is only pretended, and says so. */
  private async buy(offer: Offer, goods: Goods, { price }: GameFlags): Promise<Bought> {
    if (this.inTelegram && goods.invoiceUrl) {
      // It reports the outcome. What was paid is Telegram's word to your server, and the goods would come from there.
      const status = await payOffer(this.client, offer.offerId, goods.invoiceUrl);
      this.journal.note('answer', `invoice ${status}`);
      if (status === 'cancelled') return 'closed';
      if (status !== 'paid') return status;
    } else {
      this.result(offer, 'accepted');
    }
    this.client.track('offer_bought', { offer: offer.offerId, price, pretended: !goods.invoiceUrl });
    this.give(goods);
    return 'accepted';
  }

  private result(offer: Offer, outcome: 'shown' | 'accepted' | 'declined'): void {
    if (this.client.state === 'closed') return;
    this.journal.note('call', `offers.result ${offer.offerId} ${outcome}`);
    this.client.offers.result(offer.offerId, outcome);
  }
}
