/**
 * On load, the control library asks whether the browser knows `:focus-visible` by adding an inline style element,
 * which the content security policy rightly refuses and reports. Every VS Code that we run in knows it, so the question
 * is answered here: the first style element that is asked for is a stand-in that takes any rule. Import this module
 * before the library.
 */
const create = (tag: string): Element => document.createElementNS('http://www.w3.org/1999/xhtml', tag);

Object.defineProperty(document, 'createElement', {
  configurable: true,
  value: (tag: string): Element => {
    if (tag !== 'style') return create(tag);
    Reflect.deleteProperty(document, 'createElement');
    const standIn = create('link');
    Object.defineProperty(standIn, 'sheet', { value: { insertRule: () => 0 } });
    return standIn;
  },
});
