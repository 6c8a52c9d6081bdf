import type { CommandUnknown } from '../../../contract/ssh.js';
import type { Program } from '../run.js';
import { builtins } from './builtins.js';
import { awk, dd, git, type RiskTable, risky, sed, tee } from './languages.js';
import { launchers } from './launchers.js';
import { alias, evaluate, flock, runuser, script, shell, su, trap } from './shells.js';
import { elsewhere, env, find, loader, multiplexer, parallel, ssh, xargs } from './spread.js';

/** Programs that are languages, editors, pagers or consoles: what they run stands in their own words. */
const interpreters = `python pypy ipython perl ruby irb node nodejs deno bun tsx php lua luajit tclsh wish expect guile gosh racket sbcl clisp
 ecl emacs emacsclient vi vim view ex ed nvim vimdiff rvim rview nano pico joe jed mcedit micro kak hx red less more most man info pg
 gdb lldb gcore jdb jshell java javac scala kotlin groovy clojure erl elixir iex ghci ghc ocaml julia octave R Rscript gawk mawk nawk bc dc
 mysql mariadb psql sqlite sqlite3 mongo mongosh redis-cli isql sqlplus sqlcmd cqlsh ftp lftp tftp telnet nc ncat netcat socat nmap openssl
 gcc cc clang tcc go rustc cargo rake gem bundle bundler pip pipx uv npm npx pnpm yarn composer cpan cpanm nix nix-shell
 fish csh tcsh pwsh powershell elvish xonsh nu ion rc es screen tmux byobu zellij dtach abduco mc ranger nnn vifm lf top htop
 gnuplot m4 cpp jq yq xmlstarlet xsltproc pdflatex latex tex lualatex w3m lynx links elinks mutt mail mailx sendmail exim pine
 ansible ansible-playbook puppet salt-call terraform packer vagrant aws gcloud az osascript tshark wireshark dtrace bpftrace stap perf valgrind
 cpulimit proot fakechroot tsocks nsjail entr hyperfine xterm uxterm urxvt ksu super calife debugfs dmsetup

 pager editor sensible-pager sensible-editor sensible-browser select-editor www-browser
 x-www-browser x-terminal-emulator zless zmore bzless bzmore xzless xzmore lzless lzmore zstdless lessecho lessfile lesspipe lesskey bat batcat most tig delta gh glab
 iftop atop ncdu sdiff patch smbclient ncftp openvpn dnsmasq pandoc restic rclone borg fetchmail procmail maildrop dbclient
 plink psftp pscp cu minicom picocom tip kermit cowsay cowthink exiftool facter fzf latexmk xelatex msfconsole posh poetry pry rtorrent rustup sash scanmem
 scrot sqlmap tmate varnishncsa xdg-user-dir xdotool yelp yt-dlp youtube-dl zathura gs enscript pee vipe vidir ispell ldd
 rpmbuild dpkg-buildpackage debuild fpm cscope ctags run-mailcap xdg-open open zsoelim troff groff nroff dialog whiptail zenity rlwrap rlogin rsh`;

/** They show what they say in a pager, if they are on a terminal: it runs what is typed behind a `!`. */
const paging = `journalctl loginctl timedatectl hostnamectl localectl networkctl resolvectl bootctl userdbctl oomctl homectl portablectl
 systemd-analyze systemd-cgls nmcli`;

/** Programs that run what stands in files, services or machines that only the target knows. */
const remotes = `make gmake bmake cmake ninja meson scons ant mvn gradle bazel just task systemctl service initctl rc-service launchctl
 systemd-run run-parts init telinit start-stop-daemon supervisorctl monit logrotate anacron cron dpkg rpm yum dnf zypper apk pacman apt apt-get
 aptitude snap flatpak brew dpkg-reconfigure update-alternatives ldconfig insmod modprobe rmmod kexec mount ip crictl nomad lxc lxc-attach
 lxc-execute virsh vmrun qemu qemu-img schroot debootstrap bwrap firejail runc crun ctr machinectl mosh slogin autossh sshpass sshfs pssh
 sudo_logsrvd visudo vipw crontab fcrontab incrontab xinit startx dbus-launch dbus-send busctl gdbus dbus-run-session xvfb-run`;

/** Programs that run, now or later, what comes in on standard input or on a terminal. */
const scripts = `. source at batch login agetty getty newgrp sulogin`;

const risks: Readonly<Record<string, RiskTable>> = {
  'tar bsdtar gtar': {
    letters: 'IF',
    bundle: true,
    names: [
      'to-command',
      'checkpoint-action',
      'use-compress-program',
      'rsh-command',
      'rmt-command',
      'info-script',
      'new-volume-script',
    ],
    // An archive on another machine is reached through a shell there.
    words: /^[^/]*:/,
  },
  // Another machine is reached through ssh, which runs what its configuration names.
  rsync: {
    letters: 'eM',
    names: ['rsh', 'rsync-path', 'remote-option', 'server', 'daemon'],
    words: /^[^/]*:/,
  },
  'scp sftp': { letters: 'SoFDbJ', words: /^[^/-][^/]*:/ },
  'zip zipcloak': { letters: 'T', names: ['unzip-command'] },
  sort: { names: ['compress-program'], writes: 'o' },
  split: { names: ['filter'] },
  'cpio pax': { names: ['rsh-command', 'rmt-command'], letters: 'F' },
  wget: { names: ['use-askpass', 'config', 'execute'], letters: 'e', writes: 'Oo' },
  curl: { names: ['config', 'engine'], letters: 'K', writes: 'oDc' },
  tcpdump: { letters: 'z', writes: 'w' },
  'rg fd fdfind': { names: ['pre', 'hostname-bin', 'exec', 'exec-batch'], letters: 'xX' },
  coredumpctl: { words: /./ },
  '7z 7za 7zr': { words: /^-t/ },
  'ssh-keygen ssh-add': { letters: 'DsSw' },
  'iptables ip6tables': { names: ['modprobe'], letters: 'M' },
  mdadm: { names: ['program', 'alert'], letters: 'p' },
  dmesg: { names: ['human'], letters: 'H' },
  install: { names: ['strip-program'] },
  'ld readelf c89 c99': { names: ['plugin'], words: /^-B/ },
};

const table = new Map<string, Program>();

function put(names: string, program: Program): void {
  for (const name of names.split(/\s+/)) if (name !== '') table.set(name, program);
}

const pages: Program = (words, run) => {
  if (!words.some((word) => word.kind === 'plain' && word.text === '--no-pager')) run.unknown('interpreter');
};

const says =
  (...why: readonly CommandUnknown[]): Program =>
  (words, run) => {
    // Asked for its version alone, it does nothing else.
    const [only] = words;
    if (words.length === 1 && only?.kind === 'plain' && /^--(version|help)$/.test(only.text)) return;
    for (const each of why) run.unknown(each);
  };

put(interpreters, says('interpreter'));
put(paging, pages);
put(remotes, says('remote'));
put(scripts, says('dynamic-script'));
for (const [names, each] of Object.entries(risks)) put(names, risky(each));
for (const [names, program] of [...launchers, ...builtins]) put(names, program);
put('sh static-sh bash dash ash zsh ksh ksh93 mksh lksh pdksh oksh rbash rksh rzsh yash posh hush', shell);
put('eval', evaluate);
put('trap', trap);
put('alias', alias);
put('su', su);
put('runuser', runuser);
put('script', script);
put('flock', flock);
put('env', env);
put('xargs', xargs);
put('find', find);
put('ssh', ssh);
put('parallel', parallel);
put('busybox toybox', multiplexer);
put('docker podman nerdctl kubectl oc', elsewhere);
put('sed gsed', sed);
put('awk', awk);
put('git', git);
put('tee sponge', tee);
put('dd', dd);

/** What is known of the program, by the last segment of its path; undefined: nothing but its name. */
export function programOf(base: string): Program | undefined {
  const known = table.get(base);
  if (known !== undefined) return known;
  if (/^(ld-(linux|musl|\d)|ld64|ld\.so)/.test(base)) return loader;
  if (base.startsWith('git-')) return table.get('make');
  // python3.11, perl5.36.0, bash-5.2, nc.openbsd, vim.basic, x86_64-linux-gnu-gcc-12
  const stem =
    /^(?:[a-z0-9_]+-linux-[a-z]+-)?([A-Za-z_]+?)(?:[-.]?\d[\d.]*)?(?:[.-](?:distrib|basic|tiny|gtk\d|openbsd|traditional|ws|static|real|debianutils))?$/.exec(
      base,
    )?.[1];
  return stem === undefined ? undefined : table.get(stem);
}
