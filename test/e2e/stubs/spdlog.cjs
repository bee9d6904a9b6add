// Stands in for @vscode/spdlog, which is not compiled here: appends to the log file. Without it VS Code runs, but
// leaves no logs for the tests to read. Each export is assigned by name, or `import` of this file would not see it.
const fs = require('node:fs');
const path = require('node:path');

const levels = ['trace', 'debug', 'info', 'warn', 'error', 'critical'];
const loggers = new Set();

class Logger {
  constructor(file) {
    this.file = file;
    this.level = levels.indexOf('info');
    this.plain = false;
    this.lines = [];
    this.timer = undefined;
  }
  write(level, text) {
    if (level < this.level) return;
    const time = new Date().toISOString().replace('T', ' ').slice(0, 23);
    this.lines.push(this.plain ? text : `${time} [${levels[level]}] ${text}\n`);
    this.timer ??= setTimeout(() => this.flush(), 50).unref();
  }
  getLevel() {
    return this.level;
  }
  setLevel(level) {
    this.level = level;
  }
  setPattern() {
    this.plain = false;
  }
  clearFormatters() {
    this.plain = true;
  }
  flush() {
    clearTimeout(this.timer);
    this.timer = undefined;
    const text = this.lines.join('');
    this.lines = [];
    try {
      if (text) fs.appendFileSync(this.file, text);
    } catch {
      // The log folder goes away with the test's temporary folder, sometimes before the process does.
    }
  }
  drop() {
    this.flush();
    loggers.delete(this);
  }
}
levels.forEach((name, level) => {
  Logger.prototype[name] = function (text) {
    this.write(level, text);
  };
});
process.once('exit', () => loggers.forEach(logger => logger.flush()));

const create = async (_name, file) => {
  fs.mkdirSync(path.dirname(file), { recursive: true });
  const logger = new Logger(file);
  loggers.add(logger);
  return logger;
};

exports.version = 'stub';
exports.setLevel = () => {};
exports.setFlushOn = () => {};
exports.shutdown = () => {};
exports.Logger = Logger;
exports.createRotatingLogger = create;
exports.createAsyncRotatingLogger = create;
