// The pop-up of an offer. A modal <dialog>: the browser keeps the focus in it and gives it back.

import type { Offer } from 'castline';
import type { Goods } from '../live/break.js';
import type { GameFlags } from '../live/flags.js';
import { drawArt } from './art.js';
import { calm, clock, get, say } from './dom.js';

export type Verdict = 'accepted' | 'declined' | 'expired' | 'closed';
/** What came of paying: `closed` is reported already, the other two may be tried again. */
export type Bought = 'accepted' | 'closed' | 'failed' | 'pending';

const TICK = 250;
/** From here on the countdown is seen. */
const HURRY = 10_000;

export class OfferDialog {
  private readonly dialog = get<HTMLDialogElement>('offer');
  private readonly accept = get<HTMLButtonElement>('offer-accept');
  private readonly note = get('offer-note');
  private settle: ((verdict: Verdict) => void) | undefined;
  private verdict: Verdict = 'declined';

  constructor() {
    for (const id of ['offer-decline', 'offer-close', 'offer-done']) get(id).addEventListener('click', () => this.dialog.close());
    // Escape and Android's back end here too.
    this.dialog.addEventListener('close', () => {
      this.settle?.(this.verdict);
      this.settle = undefined;
    });
  }

  get open(): boolean {
    return this.dialog.open;
  }

  /** Resolves when it is closed. `left` is the rest of the offer's life by the server's clock, in milliseconds. */
  show(offer: Offer, goods: Goods, flags: GameFlags, left: () => number, buy: () => Promise<Bought>): Promise<Verdict> {
    const { dialog, accept, note } = this;
    this.verdict = 'declined';
    dialog.dataset['theme'] = flags.shopTheme;
    dialog.dataset['layout'] = flags.offerLayout;
    dialog.dataset['stage'] = 'offer';
    get('offer-title').textContent = offer.title;
    get('offer-discount').textContent = offer.discount ? `−${offer.discount} %` : '';
    get('offer-contents').replaceChildren(
      ...(goods.contents ?? []).slice(0, 4).map((text) => Object.assign(document.createElement('li'), { textContent: text })),
    );
    accept.textContent = `Get it for ${flags.price}`;
    accept.disabled = false;
    note.textContent = goods.invoiceUrl ? 'You pay in Telegram.' : 'A demo: the purchase is pretended, nothing is charged.';
    this.picture(offer, goods, flags);

    const whole = Math.max(left(), 1);
    const tick = (): void => {
      const rest = left();
      get('offer-left').textContent = clock(rest);
      dialog.dataset['hurry'] = `${rest <= HURRY}`;
      get('offer-bar').style.setProperty('--left', `${Math.max(0, Math.min(1, rest / whole))}`);
    };
    tick();
    const ticking = setInterval(tick, TICK);

    accept.onclick = async () => {
      accept.disabled = true;
      const bought = await buy();
      if (!dialog.open) return;
      if (bought === 'closed') {
        this.verdict = 'closed';
        return dialog.close();
      }
      if (bought !== 'accepted') {
        accept.disabled = bought === 'pending';
        note.textContent = bought === 'failed' ? 'The payment failed. You can try again.' : 'Telegram is still checking the payment.';
        return;
      }
      this.verdict = 'accepted';
      clearInterval(ticking);
      dialog.dataset['stage'] = 'bought';
      get('offer-bought').textContent = (goods.contents ?? []).join(' and ') || offer.title;
      get('offer-done').focus();
    };

    dialog.showModal();
    get('offer-title').focus();
    return new Promise((resolve) => {
      this.settle = (verdict) => {
        clearInterval(ticking);
        resolve(verdict);
      };
    });
  }

  /** It ran out: it goes, and nobody is blamed. What is bought stays on the screen. */
  expire(): void {
    if (!this.dialog.open || this.dialog.dataset['stage'] === 'bought') return;
    this.verdict = 'expired';
    this.dialog.close();
    say('The offer has ended.');
  }

  /** The campaign's picture, or one of ours. */
  private picture(offer: Offer, goods: Goods, flags: GameFlags): void {
    const image = get<HTMLImageElement>('offer-image');
    const art = get<HTMLCanvasElement>('offer-art');
    image.hidden = !offer.imageUrl;
    art.hidden = !!offer.imageUrl;
    if (offer.imageUrl) image.src = offer.imageUrl;
    else requestAnimationFrame(() => drawArt(art, goods.art ?? 'chest', flags.shopTheme, calm.matches));
  }
}
