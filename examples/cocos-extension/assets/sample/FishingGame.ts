// A scene of a fishing game: an offer when a level is completed, and a price that a flag decides. Copy it into your project's assets.
//
// In the editor: put a CastlineComponent into the scene, and this component onto the canvas; set the four fields. `offerHandlers` and
// `flagsHandlers` of the CastlineComponent may call `showOffer` and `showPrice` here; this script does without them.
import { _decorator, Component, Label, Node } from 'cc';
import { CastlineComponent } from '../CastlineComponent';
import type { Offer } from '../types';
import { tokenForDevelopment } from './development-token';

const { ccclass, property } = _decorator;

@ccclass('FishingGame')
export class FishingGame extends Component {
  @property(CastlineComponent)
  castline: CastlineComponent | null = null;

  @property({ type: Label, tooltip: 'The price in the shop' })
  priceLabel: Label | null = null;

  @property({ type: Node, tooltip: 'The pop-up of an offer, with the buttons accept and decline' })
  popUp: Node | null = null;

  @property({ type: Label, tooltip: "The pop-up's title" })
  popUpTitle: Label | null = null;

  level = 1;
  private offer: Offer | null = null;

  // Before anything's `start`, in which the component connects.
  onLoad(): void {
    if (this.castline) this.castline.token = () => tokenForDevelopment(this.castline!.url, 'angler');
    if (this.popUp) this.popUp.active = false;
  }

  // A flag is read where it is shown, as often as you like: it costs next to nothing.
  update(): void {
    this.showPrice();
  }

  showPrice(): void {
    const price = this.castline?.client?.flags.string('starter_pack_price', '$2.99') ?? '$2.99';
    if (this.priceLabel && this.priceLabel.string !== price) this.priceLabel.string = price;
  }

  /** The game calls it when the last fish of the level is landed: the right moment. */
  async levelCompleted(): Promise<void> {
    this.castline?.client?.track('level_completed', { level: this.level });
    const offer = (await this.castline?.readyForOffer('level_completed')) ?? null;
    if (offer) this.showOffer(offer);
    else this.nextLevel();
  }

  showOffer(offer: Offer): void {
    this.offer = offer;
    if (this.popUpTitle) this.popUpTitle.string = `${offer.title}: ${offer.discount} % off`;
    if (this.popUp) this.popUp.active = true;
    this.castline?.client?.offers.result(offer.offerId, 'shown');
  }

  /** For the pop-up's buttons. */
  accept(): void {
    this.answer('accepted');
  }

  decline(): void {
    this.answer('declined');
  }

  private answer(outcome: 'accepted' | 'declined'): void {
    if (!this.offer) return;
    this.castline?.client?.offers.result(this.offer.offerId, outcome);
    this.offer = null;
    if (this.popUp) this.popUp.active = false;
    this.nextLevel();
  }

  private nextLevel(): void {
    this.level += 1;
  }
}
