//! The words of the closed sets, for people.

use super::Language;
use crate::domain::{
    channel::ChannelKind,
    evaluation::{RunWord, State},
    incident::{IncidentEvent, Severity},
    outcome::{PhaseKind, Stage},
};

impl Language {
    pub(in crate::web::pages) fn state(self, state: State) -> &'static str {
        self.of(match state {
            State::Up => ["up", "正常", "работает", "berfungsi"],
            State::Degraded => ["degraded", "部分异常", "с перебоями", "terganggu"],
            State::Dark => ["dark", "中断", "не работает", "mati"],
            State::Closed => ["closed", "关闭", "закрыт", "tutup"],
            State::Unknown => ["unknown", "未知", "неизвестно", "tidak diketahui"],
        })
    }

    pub(in crate::web::pages) fn severity(self, severity: Severity) -> &'static str {
        self.state(match severity {
            Severity::Degraded => State::Degraded,
            Severity::Dark => State::Dark,
        })
    }

    pub(in crate::web::pages) fn kind(self, kind: ChannelKind) -> &'static str {
        self.of(match kind {
            ChannelKind::Chat => ["chat", "在线聊天", "чат", "obrolan"],
            ChannelKind::Hotline => ["hotline", "热线", "горячая линия", "telepon"],
            ChannelKind::Ticket => ["ticket form", "工单", "форма заявки", "formulir tiket"],
            ChannelKind::Mail => ["mailbox", "邮箱", "почта", "kotak surat"],
            ChannelKind::Help => ["help centre", "帮助中心", "справочный центр", "pusat bantuan"],
            ChannelKind::Bot => ["bot", "机器人", "бот", "bot"],
            ChannelKind::Social => ["social account", "社交账号", "соцсеть", "akun media sosial"],
            ChannelKind::Dependency => ["dependency", "依赖项", "зависимость", "ketergantungan"],
        })
    }

    pub(in crate::web::pages) fn run(self, outcome: RunWord) -> &'static str {
        self.of(match outcome {
            RunWord::Ok => ["ok", "成功", "успешно", "baik"],
            RunWord::Degraded => ["degraded", "部分异常", "с перебоями", "terganggu"],
            RunWord::Failed => ["failed", "失败", "сбой", "gagal"],
            RunWord::Inconclusive => {
                ["could not look", "无法判断", "не удалось проверить", "tidak dapat memeriksa"]
            }
        })
    }

    /// The same for the word as it is kept.
    pub(in crate::web::pages) fn run_of(self, word: &str) -> &'static str {
        self.run(match word {
            "ok" => RunWord::Ok,
            "degraded" => RunWord::Degraded,
            "failed" => RunWord::Failed,
            _ => RunWord::Inconclusive,
        })
    }

    pub(in crate::web::pages) fn stage(self, stage: Stage) -> &'static str {
        self.of(match stage {
            Stage::Resolve => ["resolve", "域名解析", "поиск адреса", "pencarian alamat"],
            Stage::Connect => ["connect", "建立连接", "соединение", "koneksi"],
            Stage::Tls => ["TLS", "TLS", "TLS", "TLS"],
            Stage::Send => ["send", "发送", "отправка", "pengiriman"],
            Stage::Wait => ["wait", "等待", "ожидание", "penantian"],
            Stage::Transfer => ["transfer", "传输", "передача", "transfer"],
            Stage::Expect => ["answer", "响应", "ответ", "jawaban"],
            Stage::Capture => ["capture", "取值", "извлечение", "pengambilan nilai"],
        })
    }

    pub(in crate::web::pages) fn phase(self, phase: PhaseKind) -> &'static str {
        match phase {
            PhaseKind::Resolve => self.stage(Stage::Resolve),
            PhaseKind::Connect => self.stage(Stage::Connect),
            PhaseKind::Tls => self.stage(Stage::Tls),
            PhaseKind::Send => self.stage(Stage::Send),
            PhaseKind::Wait => self.stage(Stage::Wait),
            PhaseKind::Transfer => self.stage(Stage::Transfer),
            PhaseKind::Pause => self.of(["pause", "间歇", "пауза", "jeda"]),
        }
    }

    pub(in crate::web::pages) fn event(self, event: IncidentEvent) -> &'static str {
        self.of(match event {
            IncidentEvent::Opened => ["confirmed", "已确认", "подтверждён", "dipastikan"],
            IncidentEvent::Worsened => ["worsened", "恶化", "стало хуже", "memburuk"],
            IncidentEvent::Resolved => ["works again", "已恢复", "снова работает", "berfungsi kembali"],
            IncidentEvent::Withdrawn => {
                ["no longer watched", "不再监控", "больше не проверяется", "tidak dipantau lagi"]
            }
            IncidentEvent::Spread => ["spread", "扩散", "распространился", "meluas"],
            IncidentEvent::Eased => ["eased", "部分恢复", "стало легче", "mereda"],
            IncidentEvent::Reminder => ["reminder", "提醒", "напоминание", "pengingat"],
            IncidentEvent::Escalated => ["escalated", "升级", "передан выше", "dieskalasi"],
            IncidentEvent::Summary => ["summary", "汇总", "сводка", "ringkasan"],
            IncidentEvent::Flapping => ["comes and goes", "反复", "то есть, то нет", "hilang timbul"],
            IncidentEvent::Digest => ["digest", "摘要", "обзор", "ikhtisar"],
            IncidentEvent::Sustained => ["stays dark", "持续中断", "не восстанавливается", "tetap mati"],
            IncidentEvent::Steady => ["steady again", "恢复稳定", "снова стабильно", "stabil kembali"],
            IncidentEvent::Held => {
                ["held in quiet hours", "静默时段暂缓", "задержано в тихие часы", "ditahan di jam tenang"]
            }
            IncidentEvent::Blind => {
                ["sight lost and back", "观测中断后恢复", "видимость пропадала", "pemantauan sempat terputus"]
            }
            IncidentEvent::Store => {
                ["trouble with the store", "存储故障", "неполадки хранилища", "gangguan penyimpanan"]
            }
            IncidentEvent::Canary => ["trouble with mails", "邮件故障", "неполадки почты", "gangguan surel"],
            IncidentEvent::Report => ["report", "报告", "отчёт", "laporan"],
        })
    }
}
