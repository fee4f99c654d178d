//! What each reason means, for somebody who does not know its word by heart. English is that of the mails.

use super::Language;
use crate::domain::{notification::phrases, outcome::Reason};

impl Language {
    pub(in crate::web::pages) fn meaning(self, reason: Reason) -> &'static str {
        let [zh, ru, id] = translated(reason);
        self.of([phrases::meaning(reason), zh, ru, id])
    }
}

/// In Chinese, Russian and Indonesian.
#[rustfmt::skip] // One line per reason, so that a translation is seen beside the others.
fn translated(reason: Reason) -> [&'static str; 3] {
    use Reason::*;
    match reason {
        Missing => ["页面上没有入口", "кнопки связи нет на странице", "pintu masuk tidak ada di halaman"],
        Disabled => ["入口存在但呈灰色不可用", "кнопка связи есть, но неактивна", "pintu masuk ada tetapi nonaktif"],
        Obscured => ["入口存在但被遮挡", "кнопка связи есть, но нажать её нельзя", "pintu masuk ada tetapi tidak dapat ditekan"],
        Unresponsive => ["点击入口后没有可用内容", "кнопка связи нажимается, но ничего полезного не открывается", "pintu masuk dapat ditekan tetapi tidak membuka apa pun yang berguna"],
        Closed => ["在公布的服务时间内显示已关闭", "сообщает о закрытии в объявленные часы", "menyatakan tutup pada jam layanannya"],
        Restricted => ["拒绝此身份，却服务其他人", "отказывает этой персоне, обслуживая других", "menolak persona ini sambil melayani yang lain"],
        Busy => ["所有线路或座席均占线", "все линии или места заняты", "semua saluran atau tempat terisi"],
        NoAnswer => ["请求人工但无人应答", "просят человека, но никто не отвечает", "meminta petugas dan tidak ada yang menjawab"],
        Silent => ["已接通，但随后没有任何回应", "соединение есть, затем тишина", "tersambung, lalu sunyi"],
        QueueTimeout => ["排队时间超过上限", "в очереди дольше допустимого", "antre lebih lama dari batas tunggu"],
        BotOnly => ["机器人无法转接人工", "от бота нет пути к человеку", "tidak ada jalan dari bot ke petugas"],
        TooManySteps => ["联系人工所需步骤超过上限", "до человека больше шагов, чем допустимо", "langkah ke petugas melebihi batas"],
        Lost => ["已受理，但客服端从未收到", "принято, но до сотрудников не дошло", "diterima, lalu tidak pernah sampai ke petugas"],
        Late => ["送达超过限定时间", "пришло позже допустимого", "tiba melewati batasnya"],
        BotWall => ["返回的是验证页而不是服务", "вместо службы ответила проверка на робота", "yang menjawab adalah uji robot, bukan layanannya"],
        TooSlow => ["有响应，但超过时限", "ответил медленнее допустимого", "menjawab lebih lambat dari batasnya"],
        Status => ["状态码不符合预期", "код ответа не тот, что ожидался", "kode status bukan yang diharapkan"],
        Content => ["内容不符合预期", "содержимое не то, что должно быть", "isinya tidak sebagaimana mestinya"],
        Auth => ["登录凭据被拒绝", "учётные данные отклонены", "kredensial ditolak"],
        BrowserCrash => ["浏览器页面崩溃", "страница браузера аварийно закрылась", "halaman peramban macet total"],
        BrowserTimeout => ["浏览器未及时完成", "браузер не успел вовремя", "peramban tidak selesai tepat waktu"],
        DnsNxdomain => ["主机名不存在", "такого имени узла нет", "nama host tidak ada"],
        DnsServfail => ["域名服务器返回错误", "сервер имён ответил ошибкой", "server nama menjawab dengan kegagalan"],
        DnsTimeout => ["域名服务器没有响应", "сервер имён не ответил", "server nama tidak menjawab"],
        DnsMalformed => ["域名服务器的响应无法使用", "ответ сервера имён непригоден", "jawaban server nama tidak dapat dipakai"],
        ConnectRefused => ["连接被拒绝", "в соединении отказано", "koneksi ditolak"],
        ConnectTimeout => ["未能及时建立连接", "соединение не установлено вовремя", "koneksi tidak terjalin tepat waktu"],
        ConnectUnreachable => ["没有到主机的路由", "нет пути к узлу", "tidak ada rute ke host"],
        Reset => ["对方重置了连接", "другая сторона сбросила соединение", "pihak lain memutus koneksi"],
        TlsHandshake => ["TLS 握手失败", "рукопожатие TLS не удалось", "jabat tangan TLS gagal"],
        TlsTimeout => ["TLS 握手未及时完成", "рукопожатие TLS не завершилось вовремя", "jabat tangan TLS tidak selesai tepat waktu"],
        CertificateExpired => ["证书不在有效期内或即将到期", "сертификат вне срока действия или скоро истечёт", "sertifikat di luar masa berlaku atau hampir habis"],
        CertificateName => ["证书属于另一个名称", "сертификат выдан на другое имя", "sertifikat untuk nama lain"],
        CertificateUntrusted => ["证书签发者不受信任", "издателю сертификата нет доверия", "penerbit sertifikat tidak dipercaya"],
        FirstByteTimeout => ["响应未及时开始", "ответ не начался вовремя", "jawaban tidak dimulai tepat waktu"],
        TransferTimeout => ["响应未及时结束", "ответ не закончился вовремя", "jawaban tidak selesai tepat waktu"],
        BodyTooLarge => ["响应超过大小限制", "ответ больше допустимого", "jawaban melebihi batas ukuran"],
        HeaderTooLarge => ["响应头过大或过多", "заголовков больше допустимого", "header melebihi batas"],
        DecompressRatio => ["解压后超过限制", "ответ распаковывается сверх предела", "jawaban mengembang melebihi batas"],
        Truncated => ["响应在完整之前结束", "ответ оборвался", "jawaban berakhir sebelum lengkap"],
        Protocol => ["响应违反协议或编码不符", "ответ нарушает протокол или не в своей кодировке", "jawaban melanggar protokol atau penyandiannya"],
        RedirectLimit => ["重定向次数超过限制", "перенаправлений больше допустимого", "pengalihan melebihi batas"],
        RedirectLoop => ["重定向形成循环", "перенаправления идут по кругу", "pengalihan berputar kembali"],
        RedirectBlocked => ["重定向指向不允许的位置", "перенаправление ведёт туда, куда не ходят", "pengalihan menuju tempat yang tidak diikuti"],
        PolicyBlocked => ["该地址禁止连接", "к этому адресу никогда не подключаются", "alamat itu tidak pernah dihubungi"],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_explained_in_every_language() {
        for &reason in Reason::ALL {
            for language in Language::ALL {
                assert!(!language.meaning(reason).is_empty(), "{reason} in {}", language.word());
            }
        }
    }
}
