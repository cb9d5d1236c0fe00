// Sounds, made as they are needed: no file to load. Off until the player wants them.

import type { GameEvent } from '../game/game.js';

export class Sound {
  private context: AudioContext | undefined;

  /** From a tap, for a browser lets nothing sound before one. */
  set on(on: boolean) {
    if (on) {
      this.context ??= new AudioContext();
      void this.context.resume();
    } else void this.context?.suspend();
  }

  hear(event: GameEvent): void {
    if (this.context?.state !== 'running') return;
    switch (event.kind) {
      case 'splash':
        return this.hiss(0.1 + event.power * 0.12, 900, event.power * 0.16);
      case 'nibble':
        return this.tone(520, 0, 0.07, 0.1);
      case 'surge':
        return this.hiss(0.3, 500, 0.2);
      case 'caught': {
        // A chord from below; the rarer, the longer.
        const notes = [392, 494, 587, 784, 988].slice(0, 2 + event.fish.species.rarity);
        return notes.forEach((note, n) => this.tone(note, n * 0.09, 0.4, 0.12));
      }
      case 'phase':
        if (event.phase === 'bite') [660, 880].forEach((note, n) => this.tone(note, n * 0.08, 0.12, 0.16));
        if (event.phase === 'lost') this.tone(196, 0, 0.35, 0.12, 130);
    }
  }

  /** A soft pluck, perhaps falling to another note. */
  private tone(note: number, after: number, length: number, loud: number, to = note): void {
    const { context } = this;
    if (!context) return;
    const from = context.currentTime + after;
    const voice = new OscillatorNode(context, { type: 'triangle', frequency: note });
    voice.frequency.linearRampToValueAtTime(to, from + length);
    voice.connect(this.fade(context, from, length, loud));
    voice.start(from);
    voice.stop(from + length);
  }

  /** Water. */
  private hiss(length: number, pitch: number, loud: number): void {
    const { context } = this;
    if (!context) return;
    const buffer = new AudioBuffer({ length: Math.ceil(length * context.sampleRate), sampleRate: context.sampleRate });
    const data = buffer.getChannelData(0);
    for (let n = 0; n < data.length; n += 1) data[n] = Math.random() * 2 - 1;
    const water = new AudioBufferSourceNode(context, { buffer });
    water.connect(new BiquadFilterNode(context, { type: 'lowpass', frequency: pitch })).connect(this.fade(context, context.currentTime, length, loud));
    water.start();
  }

  private fade(context: AudioContext, from: number, length: number, loud: number): GainNode {
    const gain = new GainNode(context, { gain: 0 });
    gain.gain.setValueAtTime(0, from);
    gain.gain.linearRampToValueAtTime(loud, from + 0.012);
    gain.gain.exponentialRampToValueAtTime(0.001, from + length);
    gain.connect(context.destination);
    return gain;
  }
}
