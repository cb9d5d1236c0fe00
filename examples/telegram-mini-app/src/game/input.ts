// Fingers, mouse and keys, told to the game. Space or Enter does what a finger does; the arrows aim.

import type { Game } from './game.js';
import type { Lake } from './lake.js';

const STEP = 0.07;

export function listen(canvas: HTMLCanvasElement, game: Game, lake: Lake, playing: () => boolean): void {
  const spot = (event: PointerEvent): { x: number; z: number } => {
    const box = canvas.getBoundingClientRect();
    return lake.spot(event.clientX - box.left, event.clientY - box.top);
  };
  canvas.addEventListener('pointerdown', (event) => {
    if (!playing() || !event.isPrimary || event.button !== 0) return;
    canvas.setPointerCapture(event.pointerId);
    // While a fish is on, or bites, the finger is on the reel, wherever it is.
    game.press(game.phase === 'idle' || game.phase === 'wait' ? spot(event) : undefined);
  });
  canvas.addEventListener('pointermove', (event) => {
    if (playing() && event.pointerType === 'mouse' && game.phase === 'idle') game.aim = spot(event);
  });
  const release = (): void => game.release();
  canvas.addEventListener('pointerup', release);
  canvas.addEventListener('pointercancel', release);
  canvas.addEventListener('contextmenu', (event) => event.preventDefault());
  window.addEventListener('blur', release);

  const arrows: Record<string, [number, number]> = {
    ArrowLeft: [-STEP, 0],
    ArrowRight: [STEP, 0],
    ArrowUp: [0, STEP],
    ArrowDown: [0, -STEP],
  };
  canvas.addEventListener('keydown', (event) => {
    if (!playing() || event.ctrlKey || event.metaKey || event.altKey) return;
    const arrow = arrows[event.key];
    if (arrow) game.aimBy(...arrow);
    else if (event.key === ' ' || event.key === 'Enter') {
      if (!event.repeat) game.press();
    } else return;
    event.preventDefault();
  });
  canvas.addEventListener('keyup', (event) => {
    if (event.key === ' ' || event.key === 'Enter') release();
  });
  canvas.addEventListener('blur', release);
}
