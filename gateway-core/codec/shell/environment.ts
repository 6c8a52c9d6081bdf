/**
 * Variables that steer what is found or run: the loader's, the shells', those in which programs look for other programs,
 * for code, for options or for the place of their configuration.
 */
const steering =
  /^(PATH|FPATH|fpath|path|CDPATH|HOME|PWD|OLDPWD|SHELL|IFS|ENV|BASH.*|POSIXLY_CORRECT|SHELLOPTS|ZDOTDIR|PS[0-4]|PROMPT.*|FCEDIT|HIST.*|INPUTRC|TMPDIR|XDG_.*|LD_.*|DYLD_.*|GCONV_PATH|LOCPATH|NLSPATH|GLIBC_.*|MALLOC_.*|PYTHON.*|PERL.*|RUBY.*|GEM_.*|BUNDLE_.*|NODE_.*|npm_.*|NPM_.*|JAVA_.*|_JAVA.*|JDK_.*|CLASSPATH|LUA_.*|PHP.*|TCL.*|GO.*|CARGO_.*|RUST.*|CC|CXX|LD|AS|MAKE.*|CFLAGS|LDFLAGS|GIT_.*|SVN_.*|HG.*|SSH_.*|RSYNC_.*|CVS_.*|.*PAGER|.*EDITOR|VISUAL|BROWSER|LESS.*|MORE|MAN.*|TAR_OPTIONS|TAPE|GREP_.*|GZIP|XZ_.*|ZIPOPT|UNZIP|EXINIT|VIM.*|NVIM.*|EMACS.*|TERMINFO.*|TERMCAP|TERMPATH|OPENSSL_.*|SSL_.*|CURL_.*|WGETRC|.*_proxy|.*_PROXY|SUDO_.*|DBUS_.*|SYSTEMD_.*|DISPLAY|XAUTHORITY|GTK_.*|QT_.*|DOCKER_.*|KUBE.*|AWS_.*|PG.*|PSQL.*|MYSQL.*|ANSIBLE_.*|RES_OPTIONS|HOSTALIASES|LOCALDOMAIN|MAIL.*|PKEXEC_.*|POLKIT_.*|ASAN_.*|_)$/;

/** Variables that programs may be given and that change no more than how they speak. */
const harmless = /^(LANG|LANGUAGE|LC_[A-Z]+|TZ|TERM|COLUMNS|LINES|NO_COLOR|CLICOLOR|DEBIAN_FRONTEND)$/;

/**
 * Whether setting the variable may change what a program does or which one is found. `exported`: it is given to programs;
 * then only names that are known to be harmless are. Else it stays in the shell, unless its caller had exported it.
 */
export function steersPrograms(name: string, exported: boolean): boolean {
  return exported ? !harmless.test(name) : steering.test(name);
}
