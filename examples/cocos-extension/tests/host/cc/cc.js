// What the extension and its sample use of the engine's module `cc`, in a few lines, for the test host. Not the engine.

const decorate = () => (target) => target;
export const _decorator = {
  ccclass: decorate,
  menu: decorate,
  disallowMultiple: (target) => target,
  // With and without brackets.
  property: (...given) => (given.length > 1 ? undefined : () => undefined),
};

export class Node {
  constructor(name = '') {
    this.name = name;
    this.active = true;
    this.components = [];
  }

  addComponent(Type) {
    const component = new Type();
    component.node = this;
    this.components.push(component);
    return component;
  }

  /** As the engine does at a scene's start: all of `onLoad`, then all of `start`. */
  static launch(nodes) {
    const each = (what) => nodes.forEach((node) => node.components.forEach((component) => component[what]?.()));
    each('onLoad');
    each('start');
  }

  destroy() {
    for (const component of this.components.splice(0)) {
      component.isValid = false;
      component.onDestroy?.();
    }
  }
}

export class Component {
  constructor() {
    this.isValid = true;
    this.node = null;
  }
}

export class Label extends Component {
  constructor() {
    super();
    this.string = '';
  }
}

export class EventHandler {
  static emitEvents(handlers, ...given) {
    for (const { target, component, handler } of handlers) {
      const found = target?.components.find((each) => each.constructor.name === component);
      found?.[handler](...given);
    }
  }
}

export class Game {}
Game.EVENT_HIDE = 'game_on_hide';
Game.EVENT_SHOW = 'game_on_show';

const listeners = { game_on_hide: new Set(), game_on_show: new Set() };
export const game = {
  on: (name, listener) => listeners[name].add(listener),
  off: (name, listener) => listeners[name].delete(listener),
  emit: (name) => Array.from(listeners[name]).forEach((listener) => listener()),
  listeners: (name) => listeners[name].size,
};

export const sys = { isNative: true };
export const native = { fileUtils: { getWritablePath: () => host.directory() } };

const print = (...given) => host.print(given.map(String).join(' '));
globalThis.console = { log: print, warn: print, error: print };

/** For the sample's token; the host knows how to get one. */
globalThis.XMLHttpRequest = class {
  open() {}
  setRequestHeader() {}
  send(body) {
    Promise.resolve().then(() => {
      this.status = 200;
      this.responseText = JSON.stringify({ token: host.token(JSON.parse(body).playerId) });
      this.onload();
    });
  }
};
